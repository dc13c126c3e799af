"""Peers that no server can like: they stop reading, or send what nobody should."""

from __future__ import annotations

import asyncio
import contextlib

from tests.simulation.stream import OPEN_SECONDS, Stream, build_upgrade
from tests.simulation.viewers import Viewer, WebSocketViewer
from tests.support.delivery_checker import Cursor
from tests.support.websocket_frames import encode_frame, encode_message

PATIENCE = 5.0


class DeadViewer(WebSocketViewer):
    """Joins, and then reads nothing more, until it leaves."""

    async def _read(self, stream: Stream, after: Cursor | None, *, is_slow: bool) -> None:
        self.world.timeline.record("dead", self.name)
        await self.loop.create_future()

    def is_settled(self, head: Cursor) -> bool:
        return True

    async def follow(self) -> None:
        self._task = asyncio.current_task()
        with contextlib.suppress(asyncio.CancelledError):
            await super().follow()

    def finish(self, how: str) -> None:
        super().finish(how)
        if self._task is not None:
            self._task.cancel()

    _task: asyncio.Task[None] | None = None


class HostilePeer(Viewer):
    """Sends what nobody should, again and again."""

    async def follow_once(self) -> None:
        socket = self.world.network.dial(self.loop, self.plan.link, self.plan.address)
        stream = self._stream = Stream(self.loop, socket)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await stream.connect()
                stream.write(self._choose())
            async with asyncio.timeout(PATIENCE * self.random.random()):
                while await stream.read():
                    pass
        finally:
            self._stream = None
            if self.random.random() < 0.5:
                stream.reset()
            else:
                stream.close()
            self._retry_after = self.random.random()

    def _choose(self) -> bytes:
        random, room = self.random, self.plan.room
        upgrade = build_upgrade(f"/ws/{room}", deflate=random.random() < 0.5)
        noise = random.randbytes(random.randint(1, 300))
        target = f"/api/rooms/{room}"
        return random.choice(
            [
                noise,
                upgrade[: random.randint(1, len(upgrade))],
                upgrade + noise,
                upgrade + encode_message("post") * 30,
                upgrade + encode_message("ping") * 300,
                upgrade + encode_frame(1, b"x" * 9_000),
                upgrade + encode_message("post", text="\u200b"),
                upgrade + encode_frame(8, b"\x03\xe8") + noise,
                f"POST {target}/comments HTTP/1.1\r\nContent-Length: 99\r\n\r\n{{".encode(),
                f"GET {target}/entries?wait=9&after=0:0 HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
                f"GET {target}/entries?after=zzz HTTP/1.1\r\nHost: a\r\n\r\n".encode() * 3,
            ]
        )

    def send_post(self, ref: str) -> None:
        pass

    def is_settled(self, head: Cursor) -> bool:
        return True
