"""The hub: the rooms and viewers of this process, and the one way of a comment through it.

Every transport joins, posts and reads here, so that all three ways to follow a room see the same.
It knows asyncio and no web framework.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import msgspec
from msgspec import UNSET, Raw

from chat.core import wire
from chat.core.entry import NumberedEntry, join_bodies
from chat.core.history import HISTORY_LIMIT, History
from chat.core.limits import RateLimit
from chat.core.reject import Code, Rejection, reject
from chat.core.room_settings import SettingsPatch
from chat.core.room_state import REF_LIMIT, Author, RoomState
from chat.core.wire import Cursor
from chat.fanout.pollers import POLLER_LIMIT
from chat.fanout.recipient import Recipient, ViewerState
from chat.fanout.waves import Fanout
from chat.journal import Journal, ReadFailed
from chat.load import LoadMonitor
from chat.metrics import Metrics
from chat.room import BUSY_SECONDS, Outcome, Room
from chat.settings import Settings

RESUME_LIMIT = 300
ROOM_IDLE_SECONDS = 300.0
OVERLOAD_SECONDS = 2.0


class HubLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds: open rooms, long polls that wait, entries sent at a resume.

    In a room: entries of history, known refs, counted pollers.
    """

    rooms: int = 10_000
    long_polls: int = 20_000
    resume: int = RESUME_LIMIT
    history: int = HISTORY_LIMIT
    refs: int = REF_LIMIT
    pollers: int = POLLER_LIMIT


class Hub:
    """The rooms of this process. All methods belong to the event loop's thread."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        fanout: Fanout,
        metrics: Metrics,
        load: LoadMonitor | None = None,
        limits: HubLimits | None = None,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._fanout = fanout
        self._metrics = metrics
        self._load = load or LoadMonitor()
        self._limits = limits or HubLimits()
        self._rooms: dict[str, Room] = {}
        self._opening: dict[str, asyncio.Task[Room]] = {}
        self._long_polls = 0
        self.is_stopping = False
        metrics.watch("danmaku_rooms", "Open rooms", lambda: len(self._rooms))
        self._watch_rooms(
            "danmaku_history_entries",
            "Entries in the histories of the open rooms",
            lambda room: room.held_entries,
        )
        self._watch_rooms(
            "danmaku_known_refs",
            "Accepted posts whose retries are recognized without reading the archive",
            lambda room: room.state.count_refs(),
        )
        self._watch_rooms(
            "danmaku_limited_users",
            "Users whose posting budget is not full, in all rooms",
            lambda room: room.state.count_limited(),
        )
        self._watch_rooms(
            "danmaku_slowed_users",
            "Users who posted within the wait of slow mode, in all rooms",
            lambda room: room.state.count_slowed(),
        )
        self._watch_rooms(
            "danmaku_made_bytes",
            "Bytes of encoded batches and recent histories that are cached",
            lambda room: room.cached_bytes,
        )
        metrics.watch("danmaku_long_polls", "Long polls that wait", lambda: self._long_polls)
        metrics.watch("danmaku_viewers", "Viewers, by any transport", self.count_viewers)

    def _watch_rooms(self, name: str, help: str, count: Callable[[Room], int]) -> None:
        self._metrics.watch(name, help, lambda: sum(map(count, self._rooms.values())))

    @property
    def is_healthy(self) -> bool:
        """Whether comments can be stored, as far as is known."""
        return self._journal.is_healthy

    def start(self) -> None:
        """Begin to take deliveries from the journal."""
        self._journal.start(self._deliver, self._trim)

    # --- rooms ----------------------------------------------------------------------------------

    def find_room(self, name: str) -> Room | None:
        """Return the room of that name if it is open, and keep it open for who is about to join."""
        room = None if self.is_stopping else self._rooms.get(name)
        if room is not None:
            room.used_at = time.monotonic()
        return room

    async def open_room(self, name: str) -> Room | Rejection:
        """Return the room of that name, opening it at first use."""
        room = self.find_room(name)
        if room is not None:
            return room
        if (rejection := self.refuse_room(name)) is not None:
            return rejection
        task = self._opening.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._open(name))
            self._opening[name] = task
            task.add_done_callback(lambda _: self._opening.pop(name, None))
        try:
            # Shielded: a request that is cancelled must not cancel the opening for the others.
            return await asyncio.shield(task)
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)

    def refuse_room(self, name: str) -> Rejection | None:
        """Return why a room cannot be entered now."""
        checked = wire.parse_room(name)
        if isinstance(checked, Rejection):
            return checked
        if self._settings.rooms and name not in self._settings.rooms:
            return reject(Code.NO_SUCH_ROOM)
        if self.is_stopping:
            return reject(Code.RESTARTING, retry_after=BUSY_SECONDS)
        is_known = name in self._rooms or name in self._opening
        if not is_known and len(self._rooms) + len(self._opening) >= self._limits.rooms:
            return reject(Code.FULL, retry_after=ROOM_IDLE_SECONDS)
        return None

    async def _open(self, name: str) -> Room:
        found = await self._journal.open_room(name)
        history = History(found.head - len(found.recent), self._limits.history)
        for seq, body in enumerate(found.recent, history.first):
            history.append(seq, body)
        limits = RateLimit(self._settings.post_burst, self._settings.post_rate)
        state = RoomState(name, found.epoch, history, limits, found.settings, self._limits.refs)
        room = self._rooms[name] = Room(
            state,
            self._journal,
            self._fanout,
            self._metrics,
            delivery_rate=self._settings.delivery_rate,
            poller_limit=self._limits.pollers,
            now=time.monotonic(),
        )
        return room

    def release_rooms(self, now: float) -> None:
        """Close the rooms that nobody has used for five minutes; drop pollers that stopped."""
        for name, room in list(self._rooms.items()):
            room.drop_expired_pollers(now)
            if room.viewer_count:
                room.used_at = now
            elif now - room.used_at > ROOM_IDLE_SECONDS:
                del self._rooms[name]
                room.close()
                self._journal.close_room(name)

    def live_rooms(self) -> list[Room]:
        """Return the rooms that have viewers or entries, the most watched first."""
        live = [room for room in self._rooms.values() if room.viewer_count or room.held_entries]
        return sorted(live, key=lambda room: (-room.viewer_count, room.name))

    def count_viewers(self) -> int:
        """Return the number of viewers of all rooms."""
        return sum(room.viewer_count for room in self._rooms.values())

    # --- following a room -----------------------------------------------------------------------

    async def join(
        self,
        room: Room,
        viewer: Recipient,
        author: Author,
        session: str,
        cursor: Cursor | None,
        recent: int,
    ) -> wire.Welcome | Rejection | None:
        """Add a viewer with a long-lived connection, and return its first message.

        Rejects while the archive cannot be read; never reports entries as lost then. None when the
        viewer left in the meantime. The viewer is added and its first entries are taken in one
        step, with nothing awaited between, so that no entry is missed or sent twice.
        """
        try:
            entries, reason = await self._recover(room, cursor, recent)
        except ReadFailed:
            return self._metrics.count_rejection(reject(Code.NOT_READ, retry_after=BUSY_SECONDS))
        if viewer.state is ViewerState.LEFT:
            return None
        room.join(viewer)
        return wire.Welcome(
            room=room.name,
            epoch=room.epoch,
            seq=room.head,
            user=author.user,
            name=author.name,
            role=author.role,
            session=session,
            settings=room.settings_json,
            viewers=room.viewer_count,
            recovered=cursor is not None and reason is None,
            reason=reason or UNSET,
            entries=entries,
        )

    async def _recover(
        self, room: Room, cursor: Cursor | None, recent: int
    ) -> tuple[Raw, str | None]:
        """Return what follows a viewer's cursor, up to the head of the moment of return.

        If not all of it can be had: the recent history, and the reason. Raises ReadFailed.
        """
        if cursor is None:
            return room.recent_json(recent), None
        reason = room.resume_error(cursor)
        if reason is None and room.head - cursor.seq > self._limits.resume:
            reason = "limit"
        if reason is not None:
            return room.recent_json(recent), reason
        older: list[bytes] = []
        if missing := room.count_missing(cursor.seq):
            older = await self._journal.read(room.name, cursor.seq, missing)
        newer = room.entries_in_memory(cursor.seq + len(older))
        if newer is None:
            # Something was read, but the history moved on by more than a resume may have.
            return room.recent_json(recent), "limit" if older else "trimmed"
        return join_bodies(older + newer), None

    def leave(self, room: Room, viewer: Recipient) -> None:
        """Remove a viewer for good; does nothing when it has left already."""
        room.leave(viewer, time.monotonic())

    async def read_page(
        self, room: Room, cursor: Cursor | None, limit: int, wait: float, poller: object
    ) -> wire.Page | Rejection:
        """Return the next entries after a cursor, waiting up to ``wait`` seconds for one.

        Without a cursor: the recent history. ``poller`` identifies who asks, so that a client that
        polls repeatedly counts as one viewer.
        """
        room.used_at = time.monotonic()
        reason = None if cursor is None else room.resume_error(cursor)
        if cursor is None or reason is not None:
            return self._make_page(room, room.recent(limit), room.head, False, reason)
        room.begin_poll(poller)
        try:
            return await self._read_after(room, cursor, limit, wait)
        finally:
            room.end_poll(poller, time.monotonic())

    async def _read_after(
        self, room: Room, cursor: Cursor, limit: int, wait: float
    ) -> wire.Page | Rejection:
        if cursor.seq == room.head and wait > 0 and not self.is_stopping:
            if self._long_polls >= self._limits.long_polls:
                return reject(Code.BUSY, retry_after=BUSY_SECONDS)
            self._long_polls += 1
            try:
                await self._wait_for_entries(room, cursor.seq, wait)
            finally:
                self._long_polls -= 1
        bodies = room.entries_in_memory(cursor.seq, limit)
        if bodies is None:
            try:
                bodies = await self._journal.read(room.name, cursor.seq, limit)
            except ReadFailed:
                return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
            if not bodies:
                return self._make_page(room, room.recent(limit), room.head, False, "trimmed")
        return self._make_page(room, bodies, cursor.seq + len(bodies), True, None)

    async def _wait_for_entries(self, room: Room, seq: int, seconds: float) -> None:
        # A wave may announce entries that this poll has already: wait for one with newer ones.
        ends = time.monotonic() + seconds
        while room.head == seq and not self.is_stopping:
            left = ends - time.monotonic()
            if left <= 0:
                break
            await room.wait_for_entries(left)

    def _make_page(
        self, room: Room, bodies: list[bytes], last: int, recovered: bool, reason: str | None
    ) -> wire.Page:
        self._metrics.deliveries.inc(len(bodies))
        return wire.Page(
            epoch=room.epoch,
            first=last - len(bodies) + 1,
            last=last,
            head=room.head,
            recovered=recovered,
            reason=reason,
            entries=join_bodies(bodies),
        )

    # --- posting --------------------------------------------------------------------------------

    def post(self, room: Room, author: Author, post: wire.Post) -> Outcome:
        """Post a comment; the future has its ack once it is durable, or a rejection.

        The future may be shared with a retry: who awaits it must shield it.
        """
        if self.is_stopping:
            return room.reject_post(reject(Code.RESTARTING, retry_after=BUSY_SECONDS))
        if self._load.is_overloaded:
            return room.reject_post(reject(Code.BUSY, retry_after=OVERLOAD_SECONDS))
        return room.post(author, post, time.monotonic(), at=time.time_ns() // 1_000_000)

    async def change_settings(
        self, room: Room, patch: SettingsPatch
    ) -> wire.SettingsChanged | Rejection:
        """Change a room's settings; returns once they are durable."""
        if self.is_stopping:
            return reject(Code.RESTARTING, retry_after=BUSY_SECONDS)
        room.used_at = time.monotonic()
        return await room.change_settings(patch, at=time.time_ns() // 1_000_000)

    def _deliver(self, name: str, entries: Sequence[NumberedEntry]) -> None:
        room = self._rooms.get(name)
        if room is not None:
            room.apply(entries)

    def _trim(self, name: str, last: int) -> None:
        room = self._rooms.get(name)
        if room is not None:
            room.trim(last)

    # --- the end --------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Accept nothing more, keep and deliver what was accepted, wake the long polls."""
        self.is_stopping = True
        await self._journal.close()
        await self._fanout.flush()
        for room in self._rooms.values():
            room.wake_pollers()
