"""One viewer's WebSocket connection after its handshake, and all of them together.

A connection reads frames, hands messages to the hub, and is the fan-out's ``Viewer``: while nothing
waits in its stream, bytes go straight to the kernel. Nothing of the HTTP request is kept.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from functools import partial

from tornado.iostream import IOStream, SSLIOStream, StreamBufferFullError, StreamClosedError

from chat.core import frames, wire
from chat.core.comment import clean_name
from chat.core.frames import FrameError, FrameReader, Message
from chat.core.handshake import Upgrade, answer_upgrade
from chat.core.pace import is_stalled
from chat.core.reject import (
    FULL,
    NOT_READ,
    RESTARTING,
    SILENT,
    SLOW,
    TOO_LARGE,
    TOO_MANY_ERRORS,
    Closing,
    Rejection,
    reject,
)
from chat.core.room import Author
from chat.core.wire import Cursor
from chat.fanout.pieces import DEFLATE, PLAIN, frame
from chat.fanout.row import Row, push
from chat.hub import Hub
from chat.metrics import Metrics
from chat.open_room import OpenRoom
from chat.web.identity import Guests

READ_CHUNK = 4_096
READ_BEFORE_YIELD = 64 * 1_024
WRITE_BUFFER_LIMIT = 1_024 * 1_024
SPILL_CHUNK = 16 * 1_024
ERROR_LIMIT = 20
PING_SECONDS = 30
PONG_SECONDS = 10
CLOSE_SECONDS = 3.0
RETURNS_A_SECOND = 2_000


class Connection:
    """A viewer that follows a room over WebSocket."""

    __slots__ = (
        "_answer_due",
        "_author",
        "_errors",
        "_house",
        "_opened",
        "_stream",
        "awaits_pong",
        "closing",
        "cursor",
        "direct",
        "news_number",
        "progress_at",
        "ready",
        "row",
        "send",
        "slot",
        "variant",
    )

    def __init__(
        self,
        stream: IOStream,
        house: Connections,
        opened: OpenRoom,
        author: Author,
        answer: bytes,
        variant: int,
    ) -> None:
        # The answer to the handshake: it goes out with whatever is the first to be said.
        self._answer_due = answer
        self.variant = variant
        self._stream = stream
        self._house = house
        self._opened = opened
        self._author = author
        self._errors = 0
        self.cursor = 0
        self.news_number = 0
        self.slot = 0
        self.ready = not stream.writing()
        self.closing = False
        self.awaits_pong = False
        self.progress_at = 0.0
        self.row: Row | None = None
        self.direct = not isinstance(stream, SSLIOStream)
        self.send: Callable[[bytes], int] = (
            stream.socket.send if self.direct else self._send_encrypted
        )

    # --- reading --------------------------------------------------------------------------------

    async def run(self, cursor: Cursor | None, recent: int) -> None:
        """Answer the handshake, and follow the room until the connection ends."""
        try:
            session = self._house.guests.sign(self._author)
            welcome = await self._house.hub.join(
                self._opened, self, self._author, session, cursor, recent
            )
            if isinstance(welcome, Rejection):
                self._house.put_off(self)
            elif self.closing:
                # It was ended while the archive was read, and only waits for its peer to go.
                self._house.hub.leave(self._opened, self)
            else:
                self.put(self._take_answer() + frame(wire.encode(welcome)))
            await self._read()
        except StreamClosedError:
            pass
        finally:
            self.ready = False
            self.closing = True
            self._stream.close()
            self._house.forget(self)
            self._house.hub.leave(self._opened, self)

    async def _read(self) -> None:
        reader = FrameReader(wire.MAX_MESSAGE_BYTES, deflate=self.variant == DEFLATE)
        try:
            await self._read_frames(reader)
        except FrameError as error:
            self.end(TOO_LARGE if error.code == 1009 else Closing(error.code, str(error)), None)
            # Closing with unread data would reset the connection, and the goodbye with it.
            while True:
                await self._stream.read_bytes(READ_CHUNK, partial=True)
                await asyncio.sleep(0)

    async def _read_frames(self, reader: FrameReader) -> None:
        budget = READ_BEFORE_YIELD
        while True:
            data = await self._stream.read_bytes(READ_CHUNK, partial=True)
            self.awaits_pong = False
            for message in reader.feed(data):
                if self._take(message):
                    return
            budget -= len(data)
            if budget < 0:
                # Data that is there already is read without a turn of the loop: take one, so that
                # nobody who floods keeps the others waiting.
                budget = READ_BEFORE_YIELD
                await asyncio.sleep(0)

    def _take(self, message: Message) -> bool:
        """Act on a frame's message; return whether it was the last."""
        if message.opcode == frames.TEXT:
            self._take_text(message.payload)
        elif message.opcode == frames.PING:
            self.put(frames.build_frame(frames.PONG, message.payload))
        elif message.opcode == frames.CLOSE:
            if not self.closing:
                self.put(frames.build_frame(frames.CLOSE, frames.answer_close(message.payload)))
            return True
        elif message.opcode == frames.BINARY:
            self._refuse(None, reject("binary"))
        return False

    def _take_text(self, payload: bytes) -> None:
        if self.closing:
            return
        message = wire.decode(payload)
        if isinstance(message, Rejection):
            if message.code == "bad_json" and not frames.is_utf8(payload):
                raise FrameError(1007, "A text frame was not valid UTF-8.")
            self._refuse(wire.find_ref(payload), message)
            return
        self._errors = 0
        if isinstance(message, wire.Post):
            answer = partial(self._answer, message.ref)
            self._house.hub.post(self._opened, self._author, message, answer)
        elif isinstance(message, wire.Ping):
            self.write(wire.Pong())
        elif isinstance(message, wire.Auth):
            self._authenticate(message.token)
        elif isinstance(message, wire.Rename):
            self._rename(message.name)
        elif isinstance(message, wire.Pause):
            self._opened.audience.pause(self)
        else:
            self._opened.audience.resume(self)

    def _rename(self, raw: str) -> None:
        name = clean_name(raw)
        if isinstance(name, Rejection):
            self._answer(None, self._house.hub.refuse(name))
            return
        self._author.name = name
        self._author.chose_name = True
        self._tell_identity()

    def _authenticate(self, token: str) -> None:
        author = self._house.guests.return_as(self._author, token)
        if isinstance(author, Rejection):
            self._refuse(None, author)
            return
        self._author = author
        self._tell_identity()

    def _tell_identity(self) -> None:
        author = self._author
        self.write(wire.Identity(author.user, author.name, author.role))

    def _refuse(self, ref: str | None, rejection: Rejection) -> None:
        self._answer(ref, self._house.hub.refuse(rejection))
        self._errors += 1
        if self._errors >= ERROR_LIMIT:
            self.end(TOO_MANY_ERRORS, None)

    def _answer(self, ref: str | None, answer: wire.Ack | Rejection) -> None:
        if isinstance(answer, Rejection):
            self.put(frame(wire.encode_reject(ref, answer)))
        else:
            self.write(answer)

    # --- writing --------------------------------------------------------------------------------

    def _take_answer(self) -> bytes:
        answer, self._answer_due = self._answer_due, b""
        return answer

    def write(self, message: wire.Outgoing) -> None:
        """Send one message to this viewer alone."""
        self.put(frame(wire.encode(message)))

    def put(self, data: bytes) -> None:
        """Send bytes that are framed already to this viewer alone."""
        if self.ready:
            push(self, data)
        elif not self.closing:
            self._queue(data)

    def spill(self, tail: memoryview) -> None:
        """Let the stream write what the kernel did not take."""
        self.ready = False
        # In pieces, since each tells when it is out: a slow viewer is one that makes no progress.
        for start in range(0, len(tail), SPILL_CHUNK):
            self._queue(tail[start : start + SPILL_CHUNK])

    def _queue(self, data: bytes | memoryview) -> None:
        try:
            self._stream.write(data).add_done_callback(self._note_progress)
        except (StreamClosedError, StreamBufferFullError):
            self.abandon()
            return
        # What only the stream can write, as TLS needs it, is mostly out at once.
        if self._stream.writing() and self not in self._house.stalled:
            self._house.stalled.add(self)
            self.progress_at = time.monotonic()

    def _note_progress(self, _written: asyncio.Future[None]) -> None:
        self.progress_at = time.monotonic()
        if not self.ready and not self.closing and not self._stream.writing():
            self._house.stalled.discard(self)
            if not self._stream.closed():
                self.ready = True
                self._opened.audience.catch_up(self)

    def _send_encrypted(self, data: bytes) -> int:
        # TLS makes its own records, so the stream has to write; from there on it is a spill.
        self.spill(memoryview(data))
        return len(data)

    # --- the end --------------------------------------------------------------------------------

    def end(self, closing: Closing, reconnect_after: float | None) -> None:
        """Say goodbye, and close once the peer has answered or a moment has passed."""
        if self.closing:
            return
        bye = wire.encode(wire.Bye(closing.code, closing.message, reconnect_after))
        goodbye = frame(bye) + frames.build_close(closing.code, closing.message)
        self.put(self._take_answer() + goodbye)
        self._house.metrics.closed.labels(str(closing.code)).inc()
        self._house.stalled.discard(self)
        self.closing = True
        self.ready = False
        self._opened.audience.remove(self)
        self._house.end_later(self._stream)

    def abandon(self) -> None:
        """Let a broken connection go without a word."""
        self.ready = False
        self.closing = True
        self._stream.close()

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self.ready and not self._answer_due:
            self.awaits_pong = True
            push(self, frames.PING_FRAME)


class Connections:
    """All connections of this process: who is there, who is silent, who is slow."""

    def __init__(self, hub: Hub, guests: Guests, metrics: Metrics, max_viewers: int) -> None:
        self.hub = hub
        self.guests = guests
        self.metrics = metrics
        self.stalled: set[Connection] = set()
        self._max_viewers = max_viewers
        self._slots: list[dict[Connection, asyncio.Task[None]]] = [{} for _ in range(PING_SECONDS)]
        self._count = 0
        self._opened_ever = 0
        self._tick = 0
        metrics.watch("danmaku_connections", "WebSocket connections", lambda: self._count)
        metrics.watch(
            "danmaku_slow_viewers",
            "Connections that do not take what they are sent",
            lambda: len(self.stalled),
        )

    def open(
        self,
        stream: IOStream,
        opened: OpenRoom,
        author: Author,
        upgrade: Upgrade,
    ) -> None:
        """Accept an upgrade, and follow the room over its stream."""
        if stream.closed():
            return  # it went away while its room was opened
        stream.max_write_buffer_size = WRITE_BUFFER_LIMIT
        stream.set_nodelay(True)
        variant = DEFLATE if upgrade.deflate else PLAIN
        connection = Connection(stream, self, opened, author, answer_upgrade(upgrade), variant)
        if self._count >= self._max_viewers:
            connection.end(FULL, self._spread())
            return
        # Connections are pinged in turn, a slot a second, and each is in the slot it came in.
        connection.slot = self._opened_ever % PING_SECONDS
        self._opened_ever += 1
        self._count += 1
        run = connection.run(upgrade.cursor, upgrade.recent)
        self._slots[connection.slot][connection] = asyncio.get_running_loop().create_task(run)

    def forget(self, connection: Connection) -> None:
        """Let a connection go that has ended."""
        del self._slots[connection.slot][connection]
        self.stalled.discard(connection)
        self._count -= 1

    def sweep(self, now: float) -> None:
        """Once a second: ping some, end those that are silent or make no progress."""
        self._tick += 1
        for connection in list(self._slots[(self._tick - PONG_SECONDS) % PING_SECONDS]):
            # Who takes nothing cannot have heard the ping: it is slow, and closed as such.
            if connection.awaits_pong and connection not in self.stalled:
                connection.end(SILENT, self._spread())
        for connection in list(self._slots[self._tick % PING_SECONDS]):
            connection.ping()
        for connection in list(self.stalled):
            if is_stalled(connection.progress_at, now):
                connection.end(SLOW, self._spread())

    def put_off(self, connection: Connection) -> None:
        """Have a viewer come back that cannot be told now what it missed."""
        connection.end(NOT_READ, self._spread())

    def end_later(self, stream: IOStream) -> None:
        """Close a stream when its peer had time to answer the close frame."""
        asyncio.get_running_loop().call_later(CLOSE_SECONDS, stream.close)

    async def stop(self) -> None:
        """Say goodbye to all, and wait a moment for them to go."""
        tasks = [task for slot in self._slots for task in slot.values()]
        for slot in self._slots:
            for connection in list(slot):
                connection.end(RESTARTING, self._spread())
        if tasks:
            _, waiting = await asyncio.wait(tasks, timeout=CLOSE_SECONDS / 2)
            for task in waiting:
                task.cancel()

    def _spread(self) -> float:
        """Draw a time to come back, so that all do not come at once."""
        return round(random.uniform(1, 2 + self._count / RETURNS_A_SECOND), 2)
