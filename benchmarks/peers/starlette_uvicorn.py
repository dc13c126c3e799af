"""Starlette with uvicorn: `send_text` to each, as in FastAPI's documentation."""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks.peers.room import BACKLOG, Room

room = Room()
viewers: dict[int, WebSocket] = {}


async def follow(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(room.welcome())
    viewers[id(socket)] = socket
    try:
        while True:
            ack, batch = room.post(await socket.receive_text())
            await socket.send_text(ack)
            for viewer in list(viewers.values()):
                await viewer.send_text(batch)
    except (WebSocketDisconnect, RuntimeError):
        pass
    finally:
        viewers.pop(id(socket), None)


if __name__ == "__main__":
    uvicorn.run(
        Starlette(routes=[WebSocketRoute("/ws/{room}", follow)]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        log_level="warning",
        backlog=BACKLOG,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
    )
