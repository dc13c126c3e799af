"""The open rooms of this process: how they are opened, found and closed.

They are bounded in number and in the bytes of their histories: unused rooms are closed when others
need the space. Reading creates no room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

import msgspec

from chat.core import wire
from chat.core.entry import NumberedEntry
from chat.core.history import HISTORY_LIMIT, History
from chat.core.limits import RateLimit
from chat.core.moderation.acts import FiltersAct, NumberedAct, SanctionAct, SanctionKind
from chat.core.reject import Code, Rejection, reject
from chat.core.room_state import REF_LIMIT, RoomState
from chat.environment import Clock
from chat.fanout.pollers import POLLER_LIMIT
from chat.fanout.waves import Fanout
from chat.filtering import FILTER_BYTES, Filtering
from chat.journal import Busy, Journal, ReadFailed
from chat.judge import Judge
from chat.metrics import Metrics
from chat.posts import BUSY_SECONDS
from chat.room import Room
from chat.settings import Settings

ROOM_LIMIT = 10_000
ROOM_IDLE_SECONDS = 300.0
OPENING_LIMIT = 1_000
HISTORY_BYTES = 256 * 1_024 * 1_024
GRACE_SECONDS = 10.0
SHORTENED_HISTORIES = (50, 10)
FULL_SECONDS = 1.0


class RoomLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds: open rooms, rooms that are being opened, bytes of all histories and all filters.

    Of each room: entries of history, known refs, counted pollers. ``grace_seconds``: how long a
    room without viewers stays open after its last use, even if other rooms need the space.
    """

    rooms: int = ROOM_LIMIT
    openings: int = OPENING_LIMIT
    history_bytes: int = HISTORY_BYTES
    grace_seconds: float = GRACE_SECONDS
    history: int = HISTORY_LIMIT
    refs: int = REF_LIMIT
    pollers: int = POLLER_LIMIT
    filter_bytes: int = FILTER_BYTES


OnUser = Callable[[Room, str], None]
"""(room, user): a user was banned, or is shadowed for the first time."""


class Rooms:
    """The open rooms. All methods belong to the event loop's thread.

    ``on_ban`` is called when a user is banned from an open room, ``on_shadow`` when one is shadowed
    there, in the step in which that applies.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        fanout: Fanout,
        metrics: Metrics,
        limits: RoomLimits,
        clock: Clock,
        judge: Judge | None = None,
    ) -> None:
        self._judge = judge
        self._settings = settings
        self._journal = journal
        self._fanout = fanout
        self._metrics = metrics
        self._limits = limits
        self._clock = clock
        self._rooms: dict[str, Room] = {}
        self._opening: dict[str, asyncio.Task[Room | None]] = {}
        # Up to which seq the rooms that are being opened were trimmed after they were read.
        self._trims: dict[str, int] = {}
        # Long polls that wait until a room is created.
        self._awaited: dict[str, set[asyncio.Future[None]]] = {}
        # Recomputed once a second; a room that is opened adds to it at once.
        self._history_bytes = 0
        self._full_until = 0.0
        self.is_stopping = False
        self.on_ban: OnUser = lambda room, user: None
        self.on_shadow: OnUser = lambda room, user: None
        self.filtering = Filtering(journal, self, clock, limits.filter_bytes)

    def __iter__(self) -> Iterator[Room]:
        return iter(self._rooms.values())

    def __len__(self) -> int:
        return len(self._rooms)

    def find(self, name: str) -> Room | None:
        """Return the room if it is open, and keep it open for a viewer that is about to join."""
        room = None if self.is_stopping else self._rooms.get(name)
        if room is not None:
            room.used_at = self._clock.monotonic()
        return room

    def is_open(self, room: Room) -> bool:
        """Return whether this room is still open."""
        return self._rooms.get(room.name) is room

    async def open(self, name: str, *, create: bool) -> Room | Rejection | None:
        """Return the room, opened if necessary.

        A room that does not exist is created; without ``create`` nothing is written, and None is
        returned instead.
        """
        while (room := self.find(name)) is None:
            if (rejection := self.check(name)) is not None:
                return rejection
            task = self._opening.get(name)
            # One that is done returns at once: waiting for it again would never yield to the loop.
            if task is None or task.done():
                task = asyncio.get_running_loop().create_task(self._open(name, create))
                self._opening[name] = task
                task.add_done_callback(lambda done: self._forget_opening(name, done))
            try:
                # Shielded: a request that is cancelled must not cancel it for the others.
                room = await asyncio.shield(task)
            except ReadFailed:
                return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
            except Busy:
                return reject(Code.BUSY, retry_after=BUSY_SECONDS)
            if room is not None or not create:
                break  # else the task was that of a call without create
        return room

    def check(self, name: str) -> Rejection | None:
        """Return why a room cannot be entered now."""
        checked = wire.parse_room(name)
        if isinstance(checked, Rejection):
            return checked
        if self._settings.rooms and name not in self._settings.rooms:
            return reject(Code.NO_SUCH_ROOM)
        if self.is_stopping:
            return reject(Code.RESTARTING, retry_after=BUSY_SECONDS)
        if name in self._rooms or name in self._opening:
            return None
        if len(self._opening) >= self._limits.openings:
            return reject(Code.BUSY, retry_after=BUSY_SECONDS)
        return None if self._make_space() else reject(Code.FULL, retry_after=ROOM_IDLE_SECONDS)

    async def _open(self, name: str, create: bool) -> Room | None:
        journal = self._journal
        found = await (journal.open_room(name) if create else journal.find_room(name))
        if found is None:
            return None
        history = History(found.head - len(found.recent), self._limits.history)
        for seq, body in enumerate(found.recent, history.first):
            history.append(seq, body)
        limits = RateLimit(self._settings.post_burst, self._settings.post_rate)
        state = RoomState(
            name,
            found.epoch,
            history,
            limits,
            found.settings,
            self._limits.refs,
            found.sanctions,
            found.held,
            found.acts,
            found.names,
            found.hidden,
        )
        room = self._rooms[name] = Room(
            state,
            journal,
            self._fanout,
            self._metrics,
            delivery_rate=self._settings.delivery_rate,
            poller_limit=self._limits.pollers,
            clock=self._clock,
            judge=self._judge,
            acts=found.acts,
            filters=found.filters,
        )
        room.trim(self._trims.pop(name, 0))
        self._history_bytes += history.size
        self._wake(self._awaited.pop(name, set()))
        await self.filtering.load(room)
        return room

    def _forget_opening(self, name: str, done: asyncio.Task[Room | None]) -> None:
        if self._opening.get(name) is done:
            del self._opening[name]
            self._trims.pop(name, None)

    async def wait_for(self, name: str, seconds: float) -> None:
        """Return when a room that is not open is opened, or when the time is up."""
        if name in self._rooms or self.is_stopping:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._awaited.setdefault(name, set())
        waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            waiters.discard(waiter)
            if not waiters and self._awaited.get(name) is waiters:
                del self._awaited[name]

    def _wake(self, waiters: set[asyncio.Future[None]]) -> None:
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    # --- closing --------------------------------------------------------------------------------

    def _make_space(self) -> bool:
        """Close unused rooms if there are too many; return whether one more may be opened."""
        limits, now = self._limits, self._clock.monotonic()
        is_full = len(self._rooms) + len(self._opening) >= limits.rooms
        if not is_full and self._history_bytes <= limits.history_bytes:
            return True
        if now < self._full_until:
            return False
        if is_full:
            # One percent at once, so that not every opening searches all rooms.
            for room in self._unused(now)[: 1 + limits.rooms // 100]:
                self._close(room)
        self._free_memory(now)
        has_space = (
            len(self._rooms) + len(self._opening) < limits.rooms
            and self._history_bytes <= limits.history_bytes
        )
        if not has_space:
            self._full_until = now + FULL_SECONDS
        return has_space

    def _unused(self, now: float) -> list[Room]:
        """Return the unused rooms, least recently used first."""
        grace = self._limits.grace_seconds
        found = [room for room in self if room.is_unused and now - room.used_at > grace]
        return sorted(found, key=lambda room: room.used_at)

    def _free_memory(self, now: float) -> None:
        """Bound the bytes of all histories: close unused rooms, then shorten the largest."""
        limit = self._limits.history_bytes
        self._history_bytes = sum(room.history_bytes for room in self)
        if self._history_bytes <= limit:
            return
        for room in self._unused(now):
            if self._history_bytes <= limit * 0.9:
                return
            self._close(room)
        for size in SHORTENED_HISTORIES:
            for room in sorted(self, key=lambda room: -room.history_bytes):
                if self._history_bytes <= limit * 0.9:
                    return
                self._history_bytes -= room.shorten_history(size)

    def release(self, now: float) -> None:
        """Close rooms that were unused for five minutes; stop counting pollers that stopped."""
        for room in list(self):
            room.drop_expired_pollers(now)
            if room.viewer_count:
                room.used_at = now
            elif now - room.used_at > ROOM_IDLE_SECONDS:
                self._close(room)
        self._free_memory(now)
        self.filtering.load_wanted()

    def _close(self, room: Room) -> None:
        del self._rooms[room.name]
        self._history_bytes -= room.history_bytes
        room.close()
        self._journal.close_room(room.name)

    # --- from the journal -----------------------------------------------------------------------

    def deliver(
        self, name: str, entries: Sequence[NumberedEntry], acts: Sequence[NumberedAct]
    ) -> None:
        """Pass new entries and acts to their room."""
        room = self._rooms.get(name)
        if room is None:
            return
        authors = {one.hidden.user for one in entries if one.hidden} - room.hidden.authors
        room.apply(entries, acts)
        for user in authors:
            self.on_shadow(room, user)
        for act in (numbered.act for numbered in acts):
            if isinstance(act, SanctionAct) and act.sanction is SanctionKind.BAN:
                self.on_ban(room, act.user)
            elif isinstance(act, SanctionAct) and act.sanction is SanctionKind.SHADOW:
                room.hidden.authors.add(act.user)
                self.on_shadow(room, act.user)
            elif isinstance(act, FiltersAct):
                self.filtering.load_soon(room)

    def trim(self, name: str, last: int) -> None:
        """Drop the entries of a room up to ``last``, which are being deleted from the archive."""
        room = self._rooms.get(name)
        if room is not None:
            room.trim(last)
        elif name in self._opening:
            self._trims[name] = last

    def wake_all(self) -> None:
        """Wake all long polls, to stop the server."""
        self.is_stopping = True
        for room in self:
            room.wake_pollers()
        for waiters in self._awaited.values():
            self._wake(waiters)
