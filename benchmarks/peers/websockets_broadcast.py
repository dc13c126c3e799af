"""The `websockets` library with its `broadcast`, which is made for this."""

from __future__ import annotations

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, broadcast, serve

from benchmarks.peers.room import BACKLOG, Room

room = Room()
viewers: set[ServerConnection] = set()


async def follow(socket: ServerConnection) -> None:
    await socket.send(room.welcome())
    viewers.add(socket)
    try:
        async for raw in socket:
            ack, batch = room.post(raw)
            await socket.send(ack)
            broadcast(viewers, batch)
    finally:
        viewers.discard(socket)


async def main() -> None:
    port = int(sys.argv[1])
    async with serve(
        follow, "127.0.0.1", port, compression=None, ping_interval=None, backlog=BACKLOG
    ) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
