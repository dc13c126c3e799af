"""One viewer's WebSocket connection after its handshake.

It reads frames, passes messages to the hub, and is the fan-out's ``Recipient``: while nothing waits
in its stream, bytes go straight to the kernel. Nothing of the HTTP request is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from tornado.iostream import IOStream, SSLIOStream, StreamBufferFullError, StreamClosedError

from chat.core import frames, wire
from chat.core.budgets import FRAGMENT_COST, POSTS_IN_FLIGHT
from chat.core.comment import clean_name
from chat.core.frames import FrameError, FrameReader, Message
from chat.core.reject import TOO_LARGE, TOO_MANY, TOO_MANY_ERRORS, Closing, Code, Rejection, reject
from chat.core.room_state import Author
from chat.core.wire import Cursor
from chat.fanout.batch_cache import DEFLATE, build_text_frame
from chat.fanout.recipient import Position, ViewerState
from chat.fanout.send_group import send_to
from chat.room import Outcome, Room
from chat.web.goodbye import end_sending, read_to_end
from chat.web.message_budget import MessageBudget

if TYPE_CHECKING:
    from chat.web.connections import Connections

READ_CHUNK = 4_096
READ_BEFORE_YIELD = 64 * 1_024
TAIL_CHUNK = 16 * 1_024
ERROR_LIMIT = 20
OVERDRAFT_SECONDS = 1.0
TOO_MANY_SECONDS = 30.0


class Connection:
    """A viewer that follows a room over WebSocket.

    ``state`` tells whether it is a viewer: JOINING until the hub has let it join, LEFT as soon as
    the server has said goodbye or the connection broke. ``awaits_pong``: nothing was received since
    the last ping. ``progress_at``: when the stream last wrote, on the monotonic clock.
    """

    __slots__ = (
        "_author",
        "_budget",
        "_connections",
        "_errors",
        "_handshake_response",
        "_is_signed_in",
        "_owes_pong",
        "_posts_in_flight",
        "_read_waiter",
        "_room",
        "_stream",
        "address_key",
        "awaits_pong",
        "encoding",
        "is_plain_socket",
        "ping_slot",
        "position",
        "progress_at",
        "send",
        "state",
        "writable",
    )

    def __init__(
        self,
        stream: IOStream,
        connections: Connections,
        room: Room,
        author: Author,
        address_key: str | None,
        handshake_response: bytes,
        encoding: int,
    ) -> None:
        # Sent together with the first message.
        self._handshake_response = handshake_response
        self._stream = stream
        self._connections = connections
        self._room = room
        self._author = author
        self._errors = 0
        self._is_signed_in = False
        # What this peer has used of its budgets; see core/budgets.py.
        self.address_key = address_key
        self._budget: MessageBudget | None = None
        self._posts_in_flight = 0
        self._read_waiter: asyncio.Future[None] | None = None
        self.state = ViewerState.JOINING
        self.position = Position()
        self.encoding = encoding
        self.ping_slot = 0
        self.awaits_pong = False
        self._owes_pong = False
        self.progress_at = 0.0
        self.writable = not stream.writing()
        self.is_plain_socket = not isinstance(stream, SSLIOStream)
        self.send: Callable[[bytes], int] = (
            stream.socket.send if self.is_plain_socket else self._send_encrypted
        )

    # --- reading --------------------------------------------------------------------------------

    async def run(self, cursor: Cursor | None, recent: int) -> None:
        """Answer the handshake, and follow the room until the connection ends."""
        connections = self._connections
        try:
            session = connections.guests.sign(self._author)
            welcome = await connections.hub.join(
                self._room, self, self._author, session, cursor, recent
            )
            if isinstance(welcome, Rejection):
                connections.reject_join(self)
            elif welcome is not None:
                message = build_text_frame(wire.encode(welcome))
                self.send_frame(self._take_handshake_response() + message)
            await self._read()
            await read_to_end(self._stream)
        except OSError:
            pass  # the peer has closed, or its connection broke
        finally:
            self.abort()
            connections.forget(self)

    async def _read(self) -> None:
        """Read until the server has said goodbye."""
        reader = FrameReader(wire.MAX_MESSAGE_BYTES, deflate=self.encoding == DEFLATE)
        try:
            await self._read_frames(reader)
        except FrameError as error:
            too_large = error.code == TOO_LARGE.code
            self.close_gracefully(TOO_LARGE if too_large else Closing(error.code, str(error)), None)

    async def _read_frames(self, reader: FrameReader) -> None:
        budget = READ_BEFORE_YIELD
        while not self._has_left():
            data = await self._stream.read_bytes(READ_CHUNK, partial=True)
            self.awaits_pong = False
            for message in reader.feed(data):
                if self._has_left():
                    return
                self._handle_frame(message)
                if not self._may_read():
                    await self._wait_to_read()
            if reader.fragments_read:
                self._charge(FRAGMENT_COST * reader.fragments_read)
                reader.fragments_read = 0
            if not self._may_read():
                await self._wait_to_read()
            budget -= len(data)
            if budget < 0:
                # Buffered data is read without a turn of the loop: yield, so that a flood from one
                # peer does not delay the others.
                budget = READ_BEFORE_YIELD
                await asyncio.sleep(0)

    def _has_left(self) -> bool:
        return self.state is ViewerState.LEFT

    def _handle_frame(self, message: Message) -> None:
        if message.opcode == frames.TEXT:
            self._handle_text(message.payload)
        elif message.opcode == frames.PING:
            self._charge(1)
            self.send_frame(frames.build_frame(frames.PONG, message.payload))
        elif message.opcode == frames.PONG:
            if not self._owes_pong:
                self._charge(FRAGMENT_COST)
            self._owes_pong = False
        elif message.opcode == frames.CLOSE:
            answer = frames.answer_close(message.payload)
            self._end(frames.build_frame(frames.CLOSE, answer))
        elif message.opcode == frames.BINARY:
            self._reject_message(None, reject(Code.BINARY))

    def _handle_text(self, payload: bytes) -> None:
        message = wire.decode(payload)
        if isinstance(message, Rejection):
            if message.code is Code.BAD_JSON and not frames.is_utf8(payload):
                raise FrameError(1007, "A text frame was not valid UTF-8.")
            self._reject_message(wire.find_ref(payload), message)
            return
        self._errors = 0
        if isinstance(message, wire.Post):
            self._post(message)
            return
        self._charge(1)
        if isinstance(message, wire.Ping):
            self.send_message(wire.Pong())
        elif isinstance(message, wire.Auth):
            self._authenticate(message.token)
        elif isinstance(message, wire.Rename):
            self._rename(message.name)
        elif isinstance(message, wire.Pause):
            self._room.pause(self)
        else:
            self._room.resume(self)

    def _post(self, post: wire.Post) -> None:
        outcome = self._connections.hub.post(self._room, self._author, post)
        if outcome.done():
            # Rejected, or a duplicate. An accepted post has paid with the post rate.
            self._charge(1)
            self._send_outcome(post.ref, outcome)
        else:
            self._posts_in_flight += 1
            outcome.add_done_callback(partial(self._finish_post, post.ref))

    def _finish_post(self, ref: str | None, outcome: Outcome) -> None:
        self._posts_in_flight -= 1
        if self._read_waiter is not None and self._posts_in_flight < POSTS_IN_FLIGHT.limit:
            self._resume_reading()
        self._send_outcome(ref, outcome)

    def _send_outcome(self, ref: str | None, outcome: Outcome) -> None:
        answer = outcome.result()
        if isinstance(answer, Rejection):
            self._send_reject(ref, answer)
        else:
            self.send_message(answer)

    def _rename(self, raw: str) -> None:
        name = clean_name(raw)
        if isinstance(name, Rejection):
            self._send_reject(None, self._connections.metrics.count_rejection(name))
            return
        self._author.name = name
        self._author.chose_name = True
        self._send_identity()

    def _authenticate(self, token: str) -> None:
        author = self._connections.guests.resume_session(self._author, token)
        if isinstance(author, Rejection):
            self._reject_message(None, author)
            return
        peers = self._connections.peers
        if not (self._is_signed_in and author.user == self._author.user):
            if not peers.add_user(author.user):
                self._reject_message(None, reject(Code.TOO_MANY, retry_after=TOO_MANY_SECONDS))
                return
            self._sign_out()
            self._is_signed_in = True
        self._author = author
        self._send_identity()

    def _send_identity(self) -> None:
        author = self._author
        session = self._connections.guests.sign(author)
        self.send_message(wire.Identity(author.user, author.name, author.role, session))

    def _reject_message(self, ref: str | None, rejection: Rejection) -> None:
        """Reject a message; too many in a row end the connection."""
        self._charge(1)
        self._send_reject(ref, self._connections.metrics.count_rejection(rejection))
        self._errors += 1
        if self._errors >= ERROR_LIMIT:
            self.close_gracefully(TOO_MANY_ERRORS, None)

    def _send_reject(self, ref: str | None, rejection: Rejection) -> None:
        self.send_frame(build_text_frame(wire.encode_reject(ref, rejection)))

    # --- budgets --------------------------------------------------------------------------------

    def _charge(self, messages: float) -> None:
        """Charge this peer, and its address, for messages."""
        if self._budget is None:
            connections = self._connections
            self._budget = MessageBudget(
                connections.message_budget, connections.peers, self.address_key
            )
        self._budget.charge(messages)

    def _may_read(self) -> bool:
        return (
            self.writable
            and self._posts_in_flight < POSTS_IN_FLIGHT.limit
            and (self._budget is None or self._budget.overdraft() <= 0)
        )

    async def _wait_to_read(self) -> None:
        """Leave unread what comes while this peer is over a budget, or takes no answers."""
        while self.state is not ViewerState.LEFT:
            if not self.writable or self._posts_in_flight >= POSTS_IN_FLIGHT.limit:
                self._read_waiter = asyncio.get_running_loop().create_future()
                await self._read_waiter
            elif self._budget is not None and (seconds := self._budget.overdraft()) > 0:
                self._handle_overrun(self._budget, seconds)
                await asyncio.sleep(min(seconds, OVERDRAFT_SECONDS))
            else:
                break

    def _handle_overrun(self, used: MessageBudget, seconds: float) -> None:
        connections = self._connections
        budget = connections.message_budget
        connections.metrics.budget_exceeded.labels(budget.name).inc()
        used.overruns += 1
        if used.overruns == budget.reject_after:
            rejection = reject(Code.TOO_MANY, retry_after=round(seconds, 3))
            self._send_reject(None, connections.metrics.count_rejection(rejection))
        elif used.overruns >= budget.close_after:
            self.close_gracefully(TOO_MANY, TOO_MANY_SECONDS)

    def _resume_reading(self) -> None:
        if self._read_waiter is not None:
            if not self._read_waiter.done():
                self._read_waiter.set_result(None)
            self._read_waiter = None

    # --- writing --------------------------------------------------------------------------------

    def _take_handshake_response(self) -> bytes:
        response, self._handshake_response = self._handshake_response, b""
        return response

    def send_message(self, message: wire.Outgoing) -> None:
        """Send one message to this viewer alone."""
        self.send_frame(build_text_frame(wire.encode(message)))

    def send_frame(self, data: bytes) -> None:
        """Send bytes that are framed already to this viewer alone."""
        if self.state is ViewerState.LEFT:
            return
        if self.writable:
            send_to(self, data)
        else:
            self._write(data)

    def buffer_tail(self, tail: memoryview) -> None:
        """Let the stream write what the kernel did not take."""
        self.writable = False
        # In pieces, because each reports when it is out: a slow viewer is one without progress.
        for start in range(0, len(tail), TAIL_CHUNK):
            self._write(tail[start : start + TAIL_CHUNK])

    def _write(self, data: bytes | memoryview) -> None:
        try:
            self._stream.write(data).add_done_callback(self._on_written)
        except (StreamClosedError, StreamBufferFullError):
            self.abort()
            return
        # Bytes that only the stream can write, as with TLS, are mostly out at once.
        if self._stream.writing() and self not in self._connections.stalled:
            self._connections.stalled.add(self)
            self.progress_at = time.monotonic()

    def _on_written(self, _written: asyncio.Future[None]) -> None:
        self.progress_at = time.monotonic()
        if not self.writable and self.state is not ViewerState.LEFT and not self._stream.writing():
            self._connections.stalled.discard(self)
            if not self._stream.closed():
                self.writable = True
                self._room.catch_up(self)
                self._resume_reading()

    def _send_encrypted(self, data: bytes) -> int:
        # TLS makes its own records, so the stream has to write: all of it is a tail.
        self.buffer_tail(memoryview(data))
        return len(data)

    def ping(self) -> None:
        """Send a ping, unless something waits in front of the socket."""
        if self.writable and not self._handshake_response:
            self.awaits_pong = self._owes_pong = True
            send_to(self, frames.PING_FRAME)

    # --- the end --------------------------------------------------------------------------------

    def close_gracefully(self, closing: Closing, reconnect_after: float | None) -> None:
        """Say goodbye; the stream is closed once the peer has closed or a moment has passed.

        ``reconnect_after`` in seconds, None for a peer that should not come back.
        """
        if self.state is ViewerState.LEFT:
            return
        bye = wire.encode(wire.Bye(closing.code, closing.message, reconnect_after))
        goodbye = build_text_frame(bye) + frames.build_close(closing.code, closing.message)
        self._end(self._take_handshake_response() + goodbye)
        self._connections.metrics.closed.labels(str(closing.code)).inc()

    def _end(self, last: bytes) -> None:
        """Send the last frames; what the peer sends from now on is discarded."""
        self.send_frame(last)
        self._leave()
        end_sending(self._stream, self._connections.close_seconds)

    def abort(self) -> None:
        """Close the stream without a goodbye."""
        self._leave()
        self._stream.close()

    def _leave(self) -> None:
        self._connections.hub.leave(self._room, self)
        self._connections.stalled.discard(self)
        self.writable = False
        self._sign_out()
        self._resume_reading()

    def _sign_out(self) -> None:
        if self._is_signed_in:
            self._connections.peers.remove_user(self._author.user)
            self._is_signed_in = False
