"""An asynchronous Python client: join a room, post, iterate over its entries, resume by itself.

    async with Client("ws://127.0.0.1:8888/ws/demo", name="Robot") as room:
        await room.post("hello")
        async for entry in room:
            print(entry)

It keeps the cursor, notices holes and a server that has gone silent, comes back after a loss with
the server's own delay or a jittered back-off, and sends again, under the same ref, what was not
answered or could not be kept just then. What it could not get is told as ``Missed``, never passed
over; ``state`` tells whether it is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from types import TracebackType
from typing import Literal
from urllib.parse import urlencode

import msgspec
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from chat.client.entries import BUFFER_LIMIT, Entries, Entry, Missed, Other
from chat.core.comment import WHITE, Mode, Size
from chat.core.wire import (
    Ack,
    Auth,
    Batch,
    Bye,
    Cursor,
    Identity,
    Outgoing,
    Ping,
    Post,
    Reject,
    Skip,
    Welcome,
    encode,
)

__all__ = [
    "Client",
    "ClientClosed",
    "ClientLimits",
    "Entry",
    "Missed",
    "Other",
    "PostRejected",
    "State",
]

FIRST_DELAY = 0.5
FAILURES_BEFORE_OFFLINE = 3
# Rejections that say that the server could not store a post just now.
PASSING_CODES = frozenset({"busy", "not_kept", "restarting"})
SHORTEST_WAIT = 0.1
MESSAGE_LIMIT = 8 * 1_024 * 1_024

_outgoing = msgspec.json.Decoder(Outgoing)


State = Literal["connecting", "live", "offline"]


class ClientLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a client.

    ``buffer`` entries may wait to be read. The others are seconds: the longest delay between two
    attempts to connect; how long one attempt may take; without a message, until the server is
    pinged, and then for its answer; and how long a post is sent again that the server could not
    store.
    """

    buffer: int = BUFFER_LIMIT
    longest_delay: float = 30.0
    connect_seconds: float = 10.0
    # A read that waits cannot see that its peer has died. The server's own pings are answered by
    # Tornado, unseen by this client.
    quiet_seconds: float = 30.0
    answer_seconds: float = 15.0
    patience_seconds: float = 60.0


class PostRejected(Exception):
    """The server did not take the post ``ref``.

    ``retry_after`` is in seconds when the same text and ref can work then, None when they cannot.
    """

    def __init__(self, reject: Reject) -> None:
        super().__init__(f"{reject.code}: {reject.message}")
        self.code = reject.code
        self.ref = reject.ref
        self.retry_after = reject.retry_after


class ClientClosed(Exception):
    """The connection is over for good, or was never there; the text says why."""


class Client:
    """A viewer of one room, at ``ws://host/ws/room``; begins with ``history`` entries.

    ``cursor`` resumes where an earlier client stood, ``session`` makes it the same guest. Both
    are kept up to date here, and so is ``identity``: who this viewer is in the room.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str | None = None,
        history: int = 50,
        cursor: Cursor | None = None,
        session: str | None = None,
        limits: ClientLimits | None = None,
    ) -> None:
        self._url = url
        self._name = name
        self._history = history
        self._limits = limits or ClientLimits()
        self._entries = Entries(cursor, self._limits.buffer)
        self._welcomed = asyncio.Event()
        self._unanswered: dict[str, tuple[bytes, asyncio.Future[Ack]]] = {}
        self._connection: WebSocketClientConnection | None = None
        self._is_in = False
        self._failures = 0
        self._task: asyncio.Task[None] | None = None
        self._over: ClientClosed | None = None
        self.session = session
        self.identity: Identity | None = None
        self.welcome: Welcome | None = None

    @property
    def cursor(self) -> Cursor | None:
        """Where this client stands: behind the last entry that it was given, read or not."""
        return self._entries.cursor

    @property
    def state(self) -> State:
        """Whether this client is in the room, in the words of the page's status.

        ``live``: it is. ``connecting``: it is not yet, or not again. ``offline``: it failed to get
        in several times in a row and still tries, now and then; or it is over for good.
        """
        if self._over is not None:
            return "offline"
        if self._is_in:
            return "live"
        return "connecting" if self._failures < FAILURES_BEFORE_OFFLINE else "offline"

    async def __aenter__(self) -> Client:
        """Join the room; raises ClientClosed when the server does not want this viewer."""
        self._task = asyncio.get_running_loop().create_task(self._follow())
        await self._welcomed.wait()
        if self._over is not None:
            raise self._over
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the room."""
        await self.close()

    async def close(self) -> None:
        """Leave the room; posts that were not answered fail."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            self._connection.close(1000)
        self._end(ClientClosed("closed here"))

    async def post(
        self,
        text: str,
        *,
        ref: str | None = None,
        mode: Mode = Mode.SCROLL,
        color: str = WHITE,
        size: Size = Size.NORMAL,
    ) -> Ack:
        """Say something; return its ack once it is durable. Raises PostRejected or ClientClosed.

        Lost connections are ridden out, and a server that cannot keep it just now for up to a
        minute: it is sent again under the same ref. All other rejections are the caller's, also
        those of who speaks too fast.
        """
        ref = ref or secrets.token_hex(8)
        message = encode(Post(text, ref, mode, color, size))
        patience = self._limits.patience_seconds
        try:
            while True:
                try:
                    return await self._say(ref, message)
                except PostRejected as rejected:
                    wait = max(SHORTEST_WAIT, rejected.retry_after or 0)
                    patience -= wait
                    if rejected.code not in PASSING_CODES or patience < 0:
                        raise
                await asyncio.sleep(wait)
        finally:
            self._unanswered.pop(ref, None)

    async def _say(self, ref: str, message: bytes) -> Ack:
        if self._over is not None:
            raise self._over
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._unanswered[ref] = (message, answer)
        self._send(message)
        return await answer

    def __aiter__(self) -> Client:
        """Iterate over the entries, beginning with the history."""
        return self

    async def __anext__(self) -> Entry:
        """Return the next entry, waiting for it; ends when the connection is over for good."""
        return await anext(self._entries)

    # --- the connection -------------------------------------------------------------------------

    async def _follow(self) -> None:
        try:
            await self._follow_on()
        except Exception as error:
            # Nobody may wait for ever for a client that has failed.
            self._end(ClientClosed(f"the client failed: {error!r}"))

    async def _follow_on(self) -> None:
        while self._over is None:
            delay: float | None = None
            try:
                self._connection = await self._connect()
                delay = await self._listen(self._connection)
            except HTTPClientError as error:
                if 400 <= error.code < 500:
                    self._end(ClientClosed(f"the server refused the connection: {error}"))
                    return
            except (OSError, WebSocketClosedError):
                pass
            finally:
                self._is_in = False
            if delay is None:
                delay = min(self._limits.longest_delay, FIRST_DELAY * 2 ** min(self._failures, 10))
                delay *= random.uniform(0.5, 1)
            self._failures += 1
            if self._over is None:
                await asyncio.sleep(delay)

    async def _connect(self) -> WebSocketClientConnection:
        query: dict[str, str | int] = {"history": self._history}
        if self._name is not None:
            query["name"] = self._name
        if self.cursor is not None:
            query["cursor"] = str(self.cursor)
        request = HTTPRequest(
            f"{self._url}?{urlencode(query)}",
            connect_timeout=self._limits.connect_seconds,
            request_timeout=self._limits.connect_seconds,
        )
        return await websocket_connect(request, max_message_size=MESSAGE_LIMIT)

    async def _listen(self, connection: WebSocketClientConnection) -> float | None:
        """Take messages until the connection ends; return the delay that the server asked for."""
        delay: float | None = None
        while (data := await self._read(connection)) is not None:
            try:
                message = _outgoing.decode(data)
            except msgspec.ValidationError:
                continue  # a type that a newer server knows
            if isinstance(message, Bye):
                delay = message.reconnect_after
                if delay is None:
                    self._end(ClientClosed(f"{message.code}: {message.message}"))
            elif not self._take(message):
                connection.close(1000)
                return 0.0  # a hole: come back at once, with the cursor from before it
        code = connection.close_code
        if self._over is None and code is not None and 4500 <= code <= 4999:
            self._end(ClientClosed(f"the server closed the connection with {code}"))
        return delay

    async def _read(self, connection: WebSocketClientConnection) -> str | bytes | None:
        """Return the next message; None when the connection has ended, or its other end died."""
        reading = asyncio.ensure_future(connection.read_message())
        try:
            # Only waited for: a read that is cancelled may take its message with it.
            done, _ = await asyncio.wait({reading}, timeout=self._limits.quiet_seconds)
            if not done:
                self._send(encode(Ping()))
                done, _ = await asyncio.wait({reading}, timeout=self._limits.answer_seconds)
            if done:
                return reading.result()
        finally:
            reading.cancel()
        connection.close(1000)
        return None

    def _take(self, message: Outgoing) -> bool:
        """Act on a message; return False when entries before it are missing."""
        if isinstance(message, Welcome):
            self._take_welcome(message)
        elif isinstance(message, Batch | Skip):
            return self._entries.take_range(message)
        elif isinstance(message, Identity):
            self.identity = message
            self.session = message.session or self.session
        elif isinstance(message, Reject) and message.code == "bad_token":
            self._take_fresh_session()
        elif isinstance(message, Ack | Reject):
            _, answer = self._unanswered.get(message.ref or "", (b"", None))
            if answer is not None and not answer.done():
                if isinstance(message, Ack):
                    answer.set_result(message)
                else:
                    answer.set_exception(PostRejected(message))
        return True

    def _take_welcome(self, welcome: Welcome) -> None:
        self._entries.take_welcome(welcome)
        self.welcome = welcome
        self._is_in = True
        self._failures = 0
        if self.session is None:
            self._take_fresh_session()
        else:
            # First of all: retries of the same guest are known by their refs.
            self._send(encode(Auth(self.session)))
        self._welcomed.set()
        for message, _ in self._unanswered.values():
            self._send(message)

    def _take_fresh_session(self) -> None:
        welcome = self.welcome
        assert welcome is not None
        self.session = welcome.session
        self.identity = Identity(welcome.user, welcome.name, welcome.role)

    def _send(self, message: bytes) -> None:
        # Before a connection's welcome nothing is sent: after it all goes that is unanswered.
        if self._connection is None or not self._is_in:
            return
        with contextlib.suppress(WebSocketClosedError):
            self._connection.write_message(message)

    def _end(self, why: ClientClosed) -> None:
        if self._over is None:
            self._over = why
        self._welcomed.set()
        self._entries.end()
        for _, answer in self._unanswered.values():
            if not answer.done():
                answer.set_exception(self._over)
