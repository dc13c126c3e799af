"""Viewers that follow a room over WebSocket, and what all viewers have in common.

They behave as docs/protocol.md asks of a client, and record what they see as the fault tests do.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

from tests.simulation.plan import ViewerPlan
from tests.simulation.stream import OPEN_SECONDS, Frames, Message, Stream, build_upgrade
from tests.support.delivery_checker import Acked, Cursor, History, Joined, Received, Skipped

if TYPE_CHECKING:
    from tests.simulation.world import World

QUIET_SECONDS = 45.0
WATCH_SECONDS = 10.0
RETRY_SECONDS = 0.1
LONGEST_RETRY = 3.0  # sooner than some servers' ``retry_after`` asks, so that days are short
SLOW_READ = 200
SLOW_SECONDS = 0.3
BEGINNING: Cursor = ("0", 0)  # of any room
TEMPORARY = {
    "too_fast",
    "slow_mode",
    "too_many",
    "busy",
    "not_kept",
    "not_read",
    "restarting",
    "full",
}


class Refused(Exception):
    """The server refused a request or a handshake, for ``retry_after`` seconds."""

    def __init__(self, code: str, retry_after: float | None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


class Viewer:
    """A viewer of one room over any number of connections.

    ``histories``: what it saw; a new one begins when it comes back with another cursor than its
    own. ``waiting``: the texts of its posts without an answer, by ref. ``problems``: what it saw
    that no server may do. ``is_leaving``: it reconnects no more.
    """

    def __init__(self, world: World, plan: ViewerPlan) -> None:
        self.plan = plan
        self.name = f"{plan.kind} {plan.number}"
        self.world = world
        self.loop = world.client_loop
        self.random = world.timeline.random
        self.histories = [History(self.name)]
        self.cursor: Cursor | None = None
        self.waiting: dict[str, str] = {}
        self.posted: dict[str, tuple[str, float]] = {}  # ref -> text, and when it was sent first
        self.rejected: list[tuple[float, str, str]] = []
        self.problems: list[str] = []
        self.is_leaving = False
        self.is_connected = False
        self.refused_as = ""  # why the last attempt was refused
        self.user = ""
        self.session = ""
        self._numbers = 0
        self._stream: Stream | None = None
        self._away = 0.0
        self._retry_after: float | None = None

    # --- what the plan asks for -------------------------------------------------------------------

    def post(self, count: int, twice: bool) -> None:
        """Post some comments, each perhaps twice with the same ref."""
        for _ in range(count):
            self._numbers += 1
            ref, text = f"r{self._numbers}", f"{self.name} says {self._numbers}"
            self.waiting[ref] = text
            self.posted[ref] = text, self.loop.time()
            self.send_post(ref)
            if twice:
                self.send_post(ref)

    def send_post(self, ref: str) -> None:
        raise NotImplementedError

    def rename(self) -> None:
        pass

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def ping(self) -> None:
        pass

    def leave(self, how: str, away: float, cursor: str) -> None:
        """End the connection; come back after some seconds with this kind of cursor."""
        if self._stream is None:
            return
        self._away = away
        if cursor != "current":
            epoch, seq = self.cursor or BEGINNING
            old = {"old": (epoch, self.random.randint(0, seq)), "bad": ("0badcafe", seq)}
            self.cursor = old.get(cursor)
            self.histories.append(History(self.name))
        self.end_connection(how)

    def end_connection(self, how: str) -> None:
        stream = self._stream
        if stream is None:
            return
        if how == "fin":
            with contextlib.suppress(OSError):  # it has not been connected, or is broken
                stream.socket.shutdown(socket.SHUT_WR)
        stream.reset()

    def finish(self, how: str) -> None:
        """Leave for good."""
        self.is_leaving = True
        self.end_connection(how)

    @property
    def socket(self) -> Any:
        return self._stream and self._stream.socket

    # --- following --------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Stay connected, and come back after each loss."""
        wait = RETRY_SECONDS
        while not self.is_leaving:
            self._retry_after, self.refused_as = None, ""
            joined = len(self.histories[-1].seen)
            try:
                await self.follow_once()
            except (OSError, EOFError, TimeoutError):
                pass
            except Refused as refused:
                self._note_refusal(refused)
            self.is_connected = False
            if len(self.histories[-1].seen) > joined:
                wait = RETRY_SECONDS
            if self._retry_after is not None:
                wait = min(self._retry_after, LONGEST_RETRY)
            seconds = max(self._away, wait)
            wait, self._away = min(LONGEST_RETRY, wait * 1.5), 0.0
            if not self.is_leaving:
                await asyncio.sleep(seconds)

    async def follow_once(self) -> None:
        raise NotImplementedError

    def is_settled(self, head: Cursor) -> bool:
        """Whether all its posts are answered and it has seen everything."""
        return not self.waiting and self.cursor == head

    def _note_refusal(self, refused: Refused) -> None:
        self._retry_after, self.refused_as = refused.retry_after, refused.code
        if refused.retry_after is None:
            self.problems.append(f"refused for good: {self.name}: {refused.code}")
            self._retry_after = 1.0

    # --- records ----------------------------------------------------------------------------------

    @property
    def history(self) -> History:
        return self.histories[-1]

    def see(self, step: Joined | Received | Skipped) -> None:
        self.world.timeline.record("saw", self.name, repr(step))
        self.history.seen.append(step)

    def take_ack(self, ref: str, epoch: str, seq: int) -> None:
        text = self.posted[ref][0]
        self.world.timeline.record("acked", text, seq)
        self.history.acked.append(Acked(text, epoch, seq))
        self.waiting.pop(ref, None)

    def take_reject(self, ref: str, code: str, retry_after: float | None) -> None:
        """Send the post again later, as pages do."""
        self.world.timeline.record("rejected", self.name, ref, code)
        self.rejected.append((self.loop.time(), code, ref))
        self.refused_as = code
        if code not in TEMPORARY or retry_after is None:
            self.problems.append(f"rejected: {self.name} got {code} for a good post")
            self.waiting.pop(ref, None)
            return
        wait = min(max(retry_after, RETRY_SECONDS), LONGEST_RETRY)
        self.loop.call_later(wait, self._send_again, ref)

    def _send_again(self, ref: str) -> None:
        if ref in self.waiting:
            self.send_post(ref)


class WebSocketViewer(Viewer):
    """Follows over WebSocket; a slow one reads little at a time."""

    def __init__(self, world: World, plan: ViewerPlan) -> None:
        super().__init__(world, plan)
        self._frames: Frames | None = None
        self._heard_at = 0.0
        self._is_welcome = self._has_left = False
        self.viewers = 0

    async def follow_once(self) -> None:
        plan, after = self.plan, self.cursor
        target = f"/ws/{plan.room}?history={plan.history}"
        if after is not None:
            target += f"&cursor={after[0]}:{after[1]}"
        self._is_welcome = self._has_left = False
        connection = self.world.network.dial(self.loop, plan.link, plan.address)
        is_slow = plan.kind == "slow"
        stream = self._stream = Stream(self.loop, connection, SLOW_READ if is_slow else 16_384)
        self._frames = Frames(stream)
        self._heard_at = self.loop.time()
        watch = self.loop.call_later(WATCH_SECONDS, self._watch, stream)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await stream.connect()
                stream.write(build_upgrade(target, deflate=plan.kind == "deflated"))
                head = await stream.read_head()
                if b" 101 " not in head.partition(b"\r\n")[0]:
                    await self._read_refusal(stream, head)
            await self._read(stream, after, is_slow=is_slow)
        finally:
            watch.cancel()
            self._stream = self._frames = None
            stream.close()

    async def _read_refusal(self, stream: Stream, head: bytes) -> None:
        stream._buffer[:0] = head + b"\r\n\r\n"
        _, body = await stream.read_response()
        raise Refused(body["error"]["code"], body["error"]["retry_after"])

    async def _read(self, stream: Stream, after: Cursor | None, *, is_slow: bool) -> None:
        frames = self._frames
        assert frames is not None
        while data := await stream.read():
            self._heard_at = self.loop.time()
            for message in frames.feed(data):
                if message is None:
                    return
                if not self._is_welcome and message["type"] != "bye":
                    self._welcome(message, after)
                else:
                    self.take(message)
            if is_slow and not self.world.is_settling:
                await asyncio.sleep(SLOW_SECONDS * self.random.random())

    def _watch(self, stream: Stream) -> None:
        """Give up a connection on which the server has not even pinged for long."""
        if stream is self._stream:
            if self.loop.time() - self._heard_at > QUIET_SECONDS:
                stream.reset()
            else:
                self.loop.call_later(WATCH_SECONDS, self._watch, stream)

    def _welcome(self, message: Message, after: Cursor | None) -> None:
        if message["type"] != "welcome":
            self.problems.append(f"no welcome: {self.name} was sent {message} first")
            return
        self._is_welcome = self.is_connected = True
        epoch, seq = message["epoch"], message["seq"]
        if after == BEGINNING:
            after = (epoch, 0)
        self.see(Joined(epoch, seq, message["recovered"], message["entries"], after))
        self.cursor = (epoch, seq)
        self.viewers = message["viewers"]
        if self.session:
            self._send({"type": "auth", "token": self.session})
        else:
            self.user, self.session = message["user"], message["session"]
        for ref in list(self.waiting):
            self.send_post(ref)

    def take(self, message: Message) -> None:
        kind = message["type"]
        if self._has_left and kind in ("batch", "skip"):
            return  # it was on its way when this viewer closed the connection
        if kind == "batch":
            assert self.cursor is not None
            if message["epoch"] != self.cursor[0]:
                self.problems.append(f"another epoch: {self.name} was sent {message}")
            first, last = message["first"], message["last"]
            self.see(Received(first, last, message["entries"], message.get("thinned", 0)))
            self.cursor = (self.cursor[0], last)
        elif kind == "skip":
            assert self.cursor is not None
            self.see(Skipped(message["first"], message["last"]))
            self.cursor = (self.cursor[0], message["last"])
        elif kind == "ack":
            self.take_ack(message["ref"], message["epoch"], message["seq"])
        elif kind == "reject":
            self._take_reject(message)
        elif kind == "viewers":
            self.viewers = message["count"]
        elif kind == "identity":
            if message["user"] != self.user:
                self.problems.append(f"another user: {self.name} is {message['user']}")
        elif kind == "bye":
            self._retry_after = message["reconnect_after"]
            if self._retry_after is None:
                self.problems.append(f"closed for good: {self.name}: {message}")

    def _take_reject(self, message: Message) -> None:
        if message["ref"] is None:
            if message["code"] not in TEMPORARY:
                self.problems.append(f"rejected: {self.name}: {message}")
            return
        self.take_reject(message["ref"], message["code"], message["retry_after"])

    def _send(self, message: Message) -> None:
        if self._frames is not None and self._is_welcome:
            self._frames.send(message)

    def send_post(self, ref: str) -> None:
        self._send({"type": "post", "ref": ref, "text": self.waiting[ref]})

    def rename(self) -> None:
        self._send({"type": "rename", "name": f"name {self.random.randrange(100)}"})

    def ping(self) -> None:
        self._send({"type": "ping"})

    def pause(self) -> None:
        self._send({"type": "pause"})

    def resume(self) -> None:
        self._send({"type": "resume"})

    def end_connection(self, how: str) -> None:
        self._has_left = True
        if how == "close" and self._is_welcome and self._frames is not None:
            self._frames.send_close()
        else:
            super().end_connection(how)
