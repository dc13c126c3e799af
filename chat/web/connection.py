"""One viewer's WebSocket connection after its handshake: reads frames and handles messages.

Writing is its base class, ``FrameWriter``; what a message does is the hub's. Nothing of the HTTP
request is kept.
"""

from __future__ import annotations

import asyncio
from functools import partial
from socket import SO_ERROR, SOL_SOCKET
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace
from tornado.iostream import IOStream, StreamClosedError

from chat.core import frames, wire
from chat.core.budgets import FRAGMENT_COST, POSTS_IN_FLIGHT
from chat.core.comment import MODERATORS, clean_name
from chat.core.entry import join_bodies
from chat.core.frames import FrameError, FrameReader, Message
from chat.core.moderation.held import HeldPost
from chat.core.reject import TOO_LARGE, TOO_MANY, TOO_MANY_ERRORS, Closing, Code, Rejection, reject
from chat.core.room_state import Author
from chat.core.wire import Cursor
from chat.fanout.batch_cache import DEFLATE, build_text_frame
from chat.fanout.recipient import ViewerState
from chat.posts import Outcome
from chat.room import Room
from chat.web.frame_writer import FrameWriter
from chat.web.graceful_close import read_to_end
from chat.web.message_budget import MessageBudget

if TYPE_CHECKING:
    from chat.web.connections import Connections

READ_CHUNK = 4_096
READ_BEFORE_YIELD = 64 * 1_024
ERROR_LIMIT = 20
OVERDRAFT_SECONDS = 1.0
TOO_MANY_SECONDS = 30.0


class _Token(Struct, frozen=True):
    """A viewer's token: when it ends, in Unix seconds, and the guest that the viewer was before."""

    expires_at: float
    guest: Author


class Connection(FrameWriter):
    """A viewer that follows a room over WebSocket.

    ``ping_slot`` is the second of the ping interval in which it is pinged. ``address_key``
    identifies the address whose budgets it uses; None for loopback.
    """

    __slots__ = (
        "_author",
        "_budget",
        "_errors",
        "_is_signed_in",
        "_posts_in_flight",
        "_read_waiter",
        "_token",
        "address_key",
        "ping_slot",
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
        super().__init__(stream, connections, room, handshake_response, encoding)
        self._author = author
        self._errors = 0
        self._is_signed_in = False
        self._token: _Token | None = None
        # What this peer has used of its budgets; see core/budgets.py.
        self.address_key = address_key
        self._budget: MessageBudget | None = None
        self._posts_in_flight = 0
        self._read_waiter: asyncio.Future[None] | None = None
        self.ping_slot = 0

    # --- reading --------------------------------------------------------------------------------

    async def run(self, cursor: Cursor | None, recent: int) -> None:
        """Answer the handshake, and follow the room until the connection ends."""
        try:
            await self._join(cursor, recent)
            await self._read()
            await read_to_end(self._stream)
        except OSError:
            pass  # the peer has closed, or its connection broke
        finally:
            self.abort()
            self._connections.forget(self)

    async def _join(self, cursor: Cursor | None, recent: int) -> None:
        # Apart from run(), whose local variables live as long as the connection.
        connections = self._connections
        session = connections.guests.sign(self._author)
        welcome = await connections.hub.join(
            self._room, self, self._author, session, cursor, recent
        )
        if isinstance(welcome, Rejection):
            connections.reject_join(self)
        elif welcome is not None:
            message = build_text_frame(wire.encode(welcome))
            self.send_frame(self._take_handshake_response() + message)

    async def _read(self) -> None:
        """Read until this viewer has left."""
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
                if (turn := self._connections.loop_share.wait()) is not None:
                    await turn
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
                # Reading buffered data does not yield to the loop: yield here, so that a flood from
                # one peer does not delay the others.
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
            reply = frames.build_close_reply(message.payload)
            self._end(frames.build_frame(frames.CLOSE, reply))
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
        if self._token is not None and self._token.expires_at <= self._connections.tokens.now():
            self.end_token()
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
        outcome = self._connections.hub.post(self._room, self._author, post, self.address_key)
        if outcome.done():
            # Rejected, or a duplicate. An accepted post is charged to the post rate instead.
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
        result = outcome.result()
        if isinstance(result, Rejection):
            self._send_reject(ref, result)
        elif isinstance(result, HeldPost):
            self.send_message(wire.Held(ref))
            if not self._has_left():
                self._room.await_decision(self, result)
        else:
            self.send_message(result)

    def _rename(self, raw: str) -> None:
        name = clean_name(raw)
        if isinstance(name, str) and self._token is not None:
            name = reject(Code.NOT_ALLOWED)  # the token has the name
        if isinstance(name, str):
            name = self._room.staff_names.check(self._author.user, name) or name
        if isinstance(name, Rejection):
            self._send_reject(None, self._connections.metrics.count_rejection(name))
            return
        self._author.name = name
        self._author.chose_name = True
        self._send_identity()

    def _authenticate(self, token: str) -> None:
        verified = self._connections.tokens.verify(token, self._room.name)
        if isinstance(verified, Rejection):
            self._reject_message(None, verified)
            return
        author = verified.author
        guest = self._author if self._token is None else self._token.guest
        if author.is_guest and guest.chose_name:
            author = replace(author, name=guest.name, chose_name=True)
        peers = self._connections.peers
        if not (self._is_signed_in and author.user == self._author.user):
            if not peers.add_user(author.user):
                self._reject_message(None, reject(Code.TOO_MANY, retry_after=TOO_MANY_SECONDS))
                return
            self._sign_out()
            self._is_signed_in = True
        self._forget_token()
        self._author = author
        if not author.is_guest:
            self._token = _Token(verified.expires_at, guest)
            self._connections.token_expiry.add(self, verified.expires_at)
            if author.role.is_staff:
                self._room.staff_names.add(author.user, author.name)
            if author.role in MODERATORS:
                self._room.add_staff(self)
        self._send_identity()

    def end_token(self) -> None:
        """Make the viewer the guest again that it was before its token, which has expired."""
        if self._token is not None:
            guest = self._token.guest
            self._sign_out()
            self._author = guest
            self._send_identity(Code.TOKEN_EXPIRED)

    def is_of(self, room: Room, user: str) -> bool:
        """Return whether a user follows a room on this connection, and is not of its staff."""
        author = self._author
        return self._room is room and author.user == user and not author.role.is_staff

    def identify(self) -> list[bytes]:
        """Let this viewer see what its user may see; return what it was sent as ``retracted``."""
        if self._has_left():
            return []
        author = self._author
        is_moderator = author.role in MODERATORS
        return self._room.identify(self, author.user, is_moderator=is_moderator)

    def _send_identity(self, reason: str = "") -> None:
        author = self._author
        session = self._connections.guests.sign(author) if author.is_guest else ""
        self.send_message(wire.Identity(author.user, author.name, author.role, session, reason))
        if entries := self.identify():
            self.send_message(wire.Private(join_bodies(entries)))

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
        """Read nothing while this peer is over a budget, or does not read its replies.

        Raises StreamClosedError when the connection breaks meanwhile.
        """
        while self.state is not ViewerState.LEFT:
            if self._stream.closed() or self._stream.socket.getsockopt(SOL_SOCKET, SO_ERROR):
                raise StreamClosedError
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

    # --- continuing and leaving -----------------------------------------------------------------

    def _on_drained(self) -> None:
        super()._on_drained()
        self._resume_reading()

    def _leave(self) -> None:
        if not self._has_left():
            self._connections.count -= 1
        super()._leave()
        self._sign_out()
        self._room.forget_author(self)
        self._resume_reading()

    def _sign_out(self) -> None:
        if self._is_signed_in:
            self._connections.peers.remove_user(self._author.user)
            self._is_signed_in = False
        self._forget_token()

    def _forget_token(self) -> None:
        if self._token is not None:
            self._connections.token_expiry.discard(self, self._token.expires_at)
            self._room.remove_staff(self)
            self._token = None
