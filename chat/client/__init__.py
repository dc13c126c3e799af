"""An asynchronous Python client: join a room, post, iterate over its entries, resume by itself.

    async with Client("ws://127.0.0.1:8888/ws/demo", name="Robot") as room:
        await room.post("hello")
        async for entry in room:
            print(entry)

It keeps the cursor, notices holes and a server that has gone silent, comes back after a loss as
``connection_state`` decides, and sends again, under the same ref, what was not answered or could
not be kept just then. What it could not get is told as ``Missed``, never passed over; ``state``
tells whether it is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
from types import TracebackType
from urllib.parse import urlencode

import msgspec

from chat.client.connection_state import (
    Action,
    ByeTime,
    ConnectionState,
    Event,
    StateLimits,
    VisibleState,
    step,
    visible_state,
)
from chat.client.entries import BUFFER_LIMIT, Entries, Entry, Missed, Other
from chat.client.socket import HandshakeRefused, Socket, SocketLimits, open_socket
from chat.core.comment import WHITE, Mode, Size
from chat.core.wire import (
    Ack,
    Auth,
    Batch,
    Bye,
    Cursor,
    Identity,
    Outgoing,
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
    "VisibleState",
]

# Rejections that say that the server could not store a post just now.
PASSING_CODES = frozenset({"busy", "not_kept", "restarting", "too_many"})
SHORTEST_WAIT = 0.1
FIRST_DELAY_MS = 1_000
LONGEST_RETRY_SECONDS = 600.0


class ClientLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a client.

    ``buffer`` entries may wait to be read. The others are seconds: the longest delay between two
    attempts to connect; how long one attempt may take, until the welcome; without a message, until
    the server is pinged, and then for its answer (a post pings it at once); and how long a post is
    sent again that the server could not store.
    """

    buffer: int = BUFFER_LIMIT
    longest_delay: float = 20.0
    connect_seconds: float = 10.0
    # A read that waits cannot see that its peer has died. The server's own pings are answered by
    # Tornado, unseen by this client.
    quiet_seconds: float = 30.0
    answer_seconds: float = 5.0
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
        self._socket: Socket | None = None
        # A program chose its name: another one is no help when it is refused.
        self._state = ConnectionState(polls=False, droppable=())
        self._is_signed_in = False
        self._sign_in_timer: asyncio.TimerHandle | None = None
        self._ending = ""
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
    def state(self) -> VisibleState:
        """Whether this client is in the room, in the words of the page's status.

        ``live``: it is. ``connecting``: it is not yet, or not again. ``offline``: it failed to get
        in several times in a row, or the server is full, and it still tries; or it is over for
        good.
        """
        return "offline" if self._over is not None else visible_state(self._state)

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
        self._drop_socket()
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

        A lost connection is waited out, and for up to a minute a server that cannot keep it just
        now: it is sent again under the same ref. All other rejections are the caller's, also those
        of who speaks too fast.
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
        if self._is_signed_in:
            self._send(message)
        self._handle(Event(type="post"))
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
        actions = self._handle(Event(type="start"))
        while self._state.phase != "ended":
            event = Event(type="due")
            for action in actions:
                if action.type == "open":
                    event = await self._use_socket()
                elif action.type == "wait":
                    assert action.least is not None
                    assert action.most is not None
                    await asyncio.sleep(random.uniform(action.least, action.most) / 1000)
                elif action.type == "ask":
                    event = Event(type="unexplained")  # a refusal would have come with its reason
            actions = self._handle(event)
        self._end(ClientClosed(self._ending))

    def _handle(self, event: Event) -> list[Action]:
        """Change the state; do at once what takes no time, and return what to do."""
        limits = self._limits
        longest = limits.longest_delay * 1000
        bounds = StateLimits(first_ms=min(FIRST_DELAY_MS, longest), longest_ms=longest)
        at = asyncio.get_running_loop().time() * 1000
        self._state, actions = step(self._state, msgspec.structs.replace(event, at=at), bounds)
        for action in actions:
            if action.type == "close":
                self._drop_socket()
            elif action.type == "check" and self._socket is not None:
                self._socket.check()
        return actions

    async def _use_socket(self) -> Event:
        """Connect, take messages until the connection ends, and return how it did."""
        query: dict[str, str | int] = {"history": self._history}
        if self._name is not None:
            query["name"] = self._name
        if self.cursor is not None:
            query["cursor"] = str(self.cursor)
        seconds = self._limits
        limits = SocketLimits(
            connect=seconds.connect_seconds,
            quiet=seconds.quiet_seconds,
            answer=seconds.answer_seconds,
        )
        try:
            self._socket = await open_socket(f"{self._url}?{urlencode(query)}", limits)
            return await self._listen(self._socket)
        except HandshakeRefused as refused:
            self._ending = f"the server refused the connection: {refused}"
            status, code = refused.status, refused.code
            return Event(type="refused", status=status, code=code, retry_after=refused.retry_after)
        except OSError:
            return Event(type="closed", code=1006)

    async def _listen(self, socket: Socket) -> Event:
        bye: Bye | None = None
        while (message := await socket.read()) is not None:
            if isinstance(message, Bye):
                bye = message
            elif not self._take(message):
                return Event(type="hole")
        code = socket.close_code
        self._ending = f"the server closed the connection with {code}"
        if bye is None:
            return Event(type="closed", code=code)
        self._ending = f"{bye.code}: {bye.message}"
        return Event(type="closed", code=bye.code, bye=ByeTime(bye.reconnect_after))

    def _drop_socket(self) -> None:
        self._is_signed_in = False
        if self._sign_in_timer is not None:
            self._sign_in_timer.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _take(self, message: Outgoing) -> bool:
        """Act on a message; return False when entries before it are missing."""
        if isinstance(message, Welcome):
            self._take_welcome(message)
        elif isinstance(message, Batch | Skip):
            return self._entries.take_range(message)
        elif isinstance(message, Identity):
            self.identity = message
            self.session = message.session or self.session
            self._send_unanswered()
        elif isinstance(message, Reject) and not self._is_signed_in and message.ref is None:
            self._take_rejected_session(message)
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
        self._handle(Event(type="welcome"))
        if self.session is None:
            self._take_fresh_session()
        else:
            self._sign_in()
        self._welcomed.set()

    def _sign_in(self) -> None:
        assert self.session is not None
        self._send(encode(Auth(self.session)))

    def _take_rejected_session(self, reject: Reject) -> None:
        if reject.retry_after is None:
            self._take_fresh_session()
        else:
            seconds = min(reject.retry_after, LONGEST_RETRY_SECONDS)
            self._sign_in_timer = asyncio.get_running_loop().call_later(seconds, self._sign_in)

    def _take_fresh_session(self) -> None:
        welcome = self.welcome
        assert welcome is not None
        self.session = welcome.session
        self.identity = Identity(welcome.user, welcome.name, welcome.role)
        self._send_unanswered()

    def _send_unanswered(self) -> None:
        """Send what waits, once the server knows whose it is: from another user it would be new."""
        if not self._is_signed_in:
            self._is_signed_in = True
            for message, _ in self._unanswered.values():
                self._send(message)

    def _send(self, message: bytes) -> None:
        if self._socket is not None:
            self._socket.send(message)

    def _end(self, why: ClientClosed) -> None:
        if self._over is None:
            self._over = why
        self._welcomed.set()
        self._entries.end()
        for _, answer in self._unanswered.values():
            if not answer.done():
                answer.set_exception(self._over)
