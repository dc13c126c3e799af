"""Tornado as in its own chat demo: `write_message` to each."""

from __future__ import annotations

import asyncio
import sys

from tornado.web import Application
from tornado.websocket import WebSocketHandler

from benchmarks.peers.room import BACKLOG, Room

room = Room()
viewers: set[Socket] = set()


class Socket(WebSocketHandler):
    def open(self, *_args: str) -> None:
        self.set_nodelay(True)
        viewers.add(self)
        self.write_message(room.welcome())

    def on_message(self, raw: str | bytes) -> None:
        ack, batch = room.post(raw)
        self.write_message(ack)
        for viewer in viewers:
            viewer.write_message(batch)

    def on_close(self) -> None:
        viewers.discard(self)


async def main() -> None:
    application = Application([(r"/ws/.*", Socket)])
    application.listen(int(sys.argv[1]), "127.0.0.1", backlog=BACKLOG)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
