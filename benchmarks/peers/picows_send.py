"""picows, a WebSocket library in Cython: `send` to each."""

from __future__ import annotations

import asyncio
import sys

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

from benchmarks.peers.room import BACKLOG, Room

room = Room()
viewers: set[WSTransport] = set()


class Follower(WSListener):  # type: ignore[misc]
    def on_ws_connected(self, transport: WSTransport) -> None:
        viewers.add(transport)
        transport.send(WSMsgType.TEXT, room.welcome().encode())

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT:
            ack, batch = room.post(frame.get_payload_as_bytes())
            transport.send(WSMsgType.TEXT, ack.encode())
            message = batch.encode()
            for viewer in viewers:
                viewer.send(WSMsgType.TEXT, message)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        viewers.discard(transport)


async def main() -> None:
    port = int(sys.argv[1])
    server = await ws_create_server(lambda _: Follower(), "127.0.0.1", port, backlog=BACKLOG)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
