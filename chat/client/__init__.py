"""An asyncio client: joins a room, posts, iterates over the entries, and resumes by itself.

    async with Client("ws://127.0.0.1:8888/ws/demo", name="Robot") as room:
        await room.post("hello")
        async for entry in room:
            print(entry)

It keeps the cursor, detects gaps and dead connections, and reconnects as ``connection_state``
decides. Posts without a reply, or not stored because of a temporary failure, are sent again
with the same ref. Entries that it cannot get are reported as ``Missed``. ``state`` is the state of
the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from random import Random
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
from chat.client.socket import (
    Connect,
    HandshakeRefused,
    Socket,
    SocketLimits,
    connect_websocket,
    open_socket,
)
from chat.core.comment import WHITE, Mode, Size
from chat.core.wire import (
    Ack,
    Auth,
    Batch,
    Bye,
    Cursor,
    Held,
    Identity,
    Outgoing,
    Post,
    Reject,
    Skip,
    Welcome,
    encode,
)
from chat.environment import SYSTEM_RANDOM

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

# Rejections after which the same post is sent again.
PASSING_CODES = frozenset({"busy", "not_kept", "restarting", "too_many"})
SHORTEST_WAIT = 0.1
FIRST_DELAY_MS = 1_000
LONGEST_RETRY_SECONDS = 600.0


class ClientLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a client.

    ``buffer``: unread entries. The others are in seconds. ``longest_delay``: between two attempts
    to connect. ``connect_seconds``: for one attempt, until the welcome. ``quiet_seconds``: without
    a message, until the server is pinged (a post pings it at once). ``response_seconds``: for the
    reply to a ping. ``patience_seconds``: in which a rejected post is sent again.
    """

    buffer: int = BUFFER_LIMIT
    longest_delay: float = 20.0
    connect_seconds: float = 10.0
    # Needed because a read does not notice a dead peer, and Tornado answers the server's own pings
    # without reporting them.
    quiet_seconds: float = 30.0
    response_seconds: float = 5.0
    patience_seconds: float = 60.0


class PostRejected(Exception):
    """The server rejected the post ``ref``.

    ``retry_after`` is in seconds, None if sending the same post again cannot succeed.
    """

    def __init__(self, reject: Reject) -> None:
        super().__init__(f"{reject.code}: {reject.message}")
        self.code = reject.code
        self.ref = reject.ref
        self.retry_after = reject.retry_after


class ClientClosed(Exception):
    """The client has stopped or could not connect, and does not try again; the message says why."""


class Client:
    """A viewer of one room, at ``ws://host/ws/room``; begins with ``history`` entries.

    ``cursor`` resumes from that of an earlier client, ``session`` continues as the same guest. Both
    attributes are kept up to date, and so is ``identity``, this viewer's user and name.
    ``connect`` opens a WebSocket; ``random`` draws refs and the waits between two attempts.
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
        connect: Connect = connect_websocket,
        random: Random = SYSTEM_RANDOM,
    ) -> None:
        self._url = url
        self._connect = connect
        self._random = random
        self._name = name
        self._history = history
        self._limits = limits or ClientLimits()
        self._entries = Entries(cursor, self._limits.buffer)
        self._welcomed = asyncio.Event()
        self._unanswered: dict[str, tuple[bytes, asyncio.Future[Ack | Held]]] = {}
        self._socket: Socket | None = None
        # If the name is refused, the client must not connect under another one.
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
        """The position after the last entry that was received, read or not."""
        return self._entries.cursor

    @property
    def state(self) -> VisibleState:
        """The state of the connection, with the names that the pages use.

        ``live``: in the room. ``connecting``: not yet, or not again. ``offline``: several attempts
        failed or the server is full, and it still tries; or it has stopped.
        """
        return "offline" if self._over is not None else visible_state(self._state)

    async def __aenter__(self) -> Client:
        """Join the room; raises ClientClosed if the server refuses permanently."""
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
        """Leave the room; posts without a reply fail."""
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
    ) -> Ack | Held:
        """Post a comment; return its ack once it is durable. Raises PostRejected or ClientClosed.

        ``Held`` is returned instead if it is durable and waits for a moderator.
        After a lost connection, and for up to a minute if the server cannot store it, the comment
        is sent again with the same ref. Other rejections are raised, also ``too_fast``.
        """
        ref = ref or self._random.randbytes(8).hex()
        message = encode(Post(text, ref, mode, color, size))
        patience = self._limits.patience_seconds
        try:
            while True:
                try:
                    return await self._send_post(ref, message)
                except PostRejected as rejected:
                    wait = max(SHORTEST_WAIT, rejected.retry_after or 0)
                    patience -= wait
                    if rejected.code not in PASSING_CODES or patience < 0:
                        raise
                await asyncio.sleep(wait)
        finally:
            self._unanswered.pop(ref, None)

    async def _send_post(self, ref: str, message: bytes) -> Ack | Held:
        if self._over is not None:
            raise self._over
        outcome: asyncio.Future[Ack | Held] = asyncio.get_running_loop().create_future()
        self._unanswered[ref] = (message, outcome)
        if self._is_signed_in:
            self._send(message)
        self._handle(Event(type="post"))
        return await outcome

    def __aiter__(self) -> Client:
        """Iterate over the entries, beginning with the history."""
        return self

    async def __anext__(self) -> Entry:
        """Return the next entry, waiting for it; ends when the client has stopped."""
        return await anext(self._entries)

    # --- the connection -------------------------------------------------------------------------

    async def _follow(self) -> None:
        try:
            await self._run_actions()
        except Exception as error:
            # Pending calls must not wait forever for a client that has failed.
            self._end(ClientClosed(f"the client failed: {error!r}"))

    async def _run_actions(self) -> None:
        actions = self._handle(Event(type="start"))
        while self._state.phase != "ended":
            event = Event(type="due")
            for action in actions:
                if action.type == "open":
                    event = await self._use_socket()
                elif action.type == "wait":
                    assert action.least is not None
                    assert action.most is not None
                    wait = self._random.uniform(action.least, action.most)
                    await asyncio.sleep(wait / 1000)
                elif action.type == "ask":
                    event = Event(type="unexplained")  # a refusal would have come with its reason
            actions = self._handle(event)
        self._end(ClientClosed(self._ending))

    def _handle(self, event: Event) -> list[Action]:
        """Update the state; run the immediate actions, and return all of them."""
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
        """Connect, handle messages until the connection ends, and return the event of its end."""
        query: dict[str, str | int] = {"history": self._history}
        if self._name is not None:
            query["name"] = self._name
        if self.cursor is not None:
            query["cursor"] = str(self.cursor)
        seconds = self._limits
        limits = SocketLimits(
            connect=seconds.connect_seconds,
            quiet=seconds.quiet_seconds,
            response=seconds.response_seconds,
        )
        try:
            self._socket = await open_socket(
                f"{self._url}?{urlencode(query)}", limits, self._connect
            )
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
            elif not self._handle_message(message):
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

    def _handle_message(self, message: Outgoing) -> bool:
        """Handle a message; return False if entries before it are missing."""
        if isinstance(message, Welcome):
            self._on_welcome(message)
        elif isinstance(message, Batch | Skip):
            return self._entries.add_range(message)
        elif isinstance(message, Identity):
            self.identity = message
            self.session = message.session or self.session
            self._send_unanswered()
        elif isinstance(message, Reject) and not self._is_signed_in and message.ref is None:
            self._on_rejected_session(message)
        elif isinstance(message, Ack | Held | Reject):
            _, outcome = self._unanswered.get(message.ref or "", (b"", None))
            if outcome is not None and not outcome.done():
                if isinstance(message, Reject):
                    outcome.set_exception(PostRejected(message))
                else:
                    outcome.set_result(message)
        return True

    def _on_welcome(self, welcome: Welcome) -> None:
        self._entries.add_welcome(welcome)
        self.welcome = welcome
        self._handle(Event(type="welcome"))
        if self.session is None:
            self._use_fresh_session()
        else:
            self._sign_in()
        self._welcomed.set()

    def _sign_in(self) -> None:
        assert self.session is not None
        self._send(encode(Auth(self.session)))

    def _on_rejected_session(self, reject: Reject) -> None:
        if reject.retry_after is None:
            self._use_fresh_session()
        else:
            seconds = min(reject.retry_after, LONGEST_RETRY_SECONDS)
            self._sign_in_timer = asyncio.get_running_loop().call_later(seconds, self._sign_in)

    def _use_fresh_session(self) -> None:
        welcome = self.welcome
        assert welcome is not None
        self.session = welcome.session
        self.identity = Identity(welcome.user, welcome.name, welcome.role)
        self._send_unanswered()

    def _send_unanswered(self) -> None:
        """Send the unanswered posts, after signing in: a ref belongs to its user."""
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
        for _, outcome in self._unanswered.values():
            if not outcome.done():
                outcome.set_exception(self._over)
