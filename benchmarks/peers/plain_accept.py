"""The `websockets` library, which accepts connections and sends each one short message."""

from __future__ import annotations

import asyncio
import sys

from websockets.asyncio.server import ServerConnection, serve

from benchmarks.peers.room import BACKLOG, Room

room = Room()


async def follow(socket: ServerConnection) -> None:
    await socket.send(room.welcome())
    await socket.wait_closed()


async def main() -> None:
    port = int(sys.argv[1])
    async with serve(
        follow, "127.0.0.1", port, compression=None, ping_interval=None, backlog=BACKLOG
    ) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
