"""The hub: joining, posting and reading, for every transport.

All transports use it, so that each delivers the same entries. It uses asyncio and no web framework;
``rooms`` opens and closes the rooms.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from chat.core import wire
from chat.core.comment import MODERATORS
from chat.core.entry import join_bodies
from chat.core.moderation.addresses import hash_address
from chat.core.moderation.hidden import reveal_all
from chat.core.reject import Code, Rejection, reject
from chat.core.responses import Page, SettingsChanged
from chat.core.room_settings import SettingsPatch, Shield
from chat.core.room_state import Author
from chat.core.wire import BEGINNING, Cursor
from chat.environment import SYSTEM_CLOCK, Clock
from chat.fanout.recipient import Recipient, ViewerState
from chat.fanout.waves import Fanout
from chat.journal import Journal, ReadFailed
from chat.judge import Judge
from chat.load import LoadMonitor
from chat.metrics import Metrics
from chat.posts import BUSY_SECONDS, Outcome
from chat.room import Room
from chat.rooms import OnUser, RoomLimits, Rooms
from chat.settings import Settings

_bodies = msgspec.json.Decoder(list[Raw])

RESUME_LIMIT = 300
LONG_POLL_LIMIT = 20_000
OVERLOAD_SECONDS = 2.0


class HubLimits(RoomLimits, frozen=True, kw_only=True):
    """Bounds: those of the rooms, long polls that wait, entries sent at a resume."""

    long_polls: int = LONG_POLL_LIMIT
    resume: int = RESUME_LIMIT


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
        clock: Clock = SYSTEM_CLOCK,
        judge: Judge | None = None,
    ) -> None:
        self._judge = judge
        self._journal = journal
        self._fanout = fanout
        self._metrics = metrics
        self._load = load or LoadMonitor()
        self._limits = limits or HubLimits()
        self._clock = clock
        self._rooms = Rooms(settings, journal, fanout, metrics, self._limits, clock, judge)
        self.filtering = self._rooms.filtering
        self._long_polls = 0
        self.is_stopping = False
        metrics.watch("danmaku_rooms", "Open rooms", lambda: len(self._rooms))
        self._watch_rooms(
            "danmaku_history_entries",
            "Entries in the histories of the open rooms",
            lambda room: room.history_length,
        )
        metrics.watch(
            "danmaku_filter_bytes",
            "Bytes of the filters of the open rooms",
            lambda: self.filtering.size,
        )
        self._watch_rooms(
            "danmaku_history_bytes",
            "Bytes of the histories of the open rooms",
            lambda room: room.history_bytes,
        )
        self._watch_rooms(
            "danmaku_known_refs",
            "Accepted posts whose retries are recognized without reading the archive",
            lambda room: room.count_refs(),
        )
        self._watch_rooms(
            "danmaku_limited_users",
            "Users whose posting budget is not full, in all rooms",
            lambda room: room.count_limited(),
        )
        self._watch_rooms(
            "danmaku_slowed_users",
            "Users who posted within the wait of slow mode, in all rooms",
            lambda room: room.count_slowed(),
        )
        self._watch_rooms(
            "danmaku_made_bytes",
            "Bytes of encoded batches and recent histories that are cached",
            lambda room: room.cached_bytes,
        )
        metrics.watch("danmaku_long_polls", "Long polls that wait", lambda: self._long_polls)
        metrics.watch("danmaku_viewers", "Viewers, by any transport", self.count_viewers)

    def _watch_rooms(self, name: str, help: str, count: Callable[[Room], int]) -> None:
        self._metrics.watch(name, help, lambda: sum(map(count, self._rooms)))

    @property
    def is_healthy(self) -> bool:
        """Whether comments can be stored, as far as is known."""
        return self._journal.is_healthy

    @property
    def address_secret(self) -> bytes:
        """The secret with which addresses are hashed."""
        return self._journal.address_secret

    def start(self) -> None:
        """Start to receive entries from the journal."""
        self._journal.start(self._rooms.deliver, self._rooms.trim)

    def on_ban(self, act: OnUser) -> None:
        """Let this be called with the room and the user when a user is banned."""
        self._rooms.on_ban = act

    def on_shadow(self, act: OnUser) -> None:
        """Let this be called with the room and the user when a user is shadowed."""
        self._rooms.on_shadow = act

    # --- rooms ----------------------------------------------------------------------------------

    def find_room(self, name: str) -> Room | None:
        """Return the room if it is open, and keep it open for a viewer that is about to join."""
        return self._rooms.find(name)

    async def open_room(self, name: str) -> Room | Rejection:
        """Return the room, opened if necessary; it is created at its first use."""
        room = await self._rooms.open(name, create=True)
        assert room is not None
        return room

    def check_room(self, name: str) -> Rejection | None:
        """Return why a room cannot be entered now."""
        return self._rooms.check(name)

    async def open_existing_room(self, name: str) -> Room | Rejection | None:
        """Return the room, opened if necessary; None if it was never created.

        For requests that only read: they write nothing. Joining, posting and changing the settings
        create a room.
        """
        return await self._rooms.open(name, create=False)

    def release_rooms(self, now: float) -> None:
        """Close rooms that were unused for five minutes; stop counting pollers that stopped."""
        self._rooms.release(now)

    def live_rooms(self, count: int) -> list[Room]:
        """Return rooms that have viewers or entries, most viewers first."""
        live = (room for room in self._rooms if room.viewer_count or room.history_length)
        return heapq.nsmallest(count, live, key=lambda room: (-room.viewer_count, room.name))

    def count_viewers(self) -> int:
        """Return the number of viewers of all rooms."""
        return sum(room.viewer_count for room in self._rooms)

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

        While the archive cannot be read it rejects, and never reports entries as lost. Returns None
        if the viewer left in the meantime. The viewer is added and its first entries are selected
        in one step, with nothing awaited between, so that no entry is missed or sent twice.
        """
        try:
            entries, reason = await self._recover(room, cursor, recent)
        except ReadFailed:
            return self._metrics.count_rejection(reject(Code.NOT_READ, retry_after=BUSY_SECONDS))
        if viewer.state is ViewerState.LEFT:
            return None
        if not self._rooms.is_open(room):
            # It was closed in favor of other rooms while the entries were read.
            return self._metrics.count_rejection(reject(Code.BUSY, retry_after=BUSY_SECONDS))
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
        """Return the entries after a cursor, up to the head at the time of return.

        If they are not all available: the recent history, and the reason. Raises ReadFailed.
        """
        cursor = room.resolve_cursor(cursor)
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
            # If entries were read, the room has since gained more than a resume may have.
            return room.recent_json(recent), "limit" if older else "trimmed"
        return join_bodies(older + newer), None

    def leave(self, room: Room, viewer: Recipient) -> None:
        """Remove a viewer; does nothing if it has left already."""
        room.leave(viewer, self._clock.monotonic())

    async def read_room(
        self,
        name: str,
        cursor: Cursor | None,
        limit: int,
        wait: float,
        poller: object,
        reader: Author | None = None,
    ) -> Page | Rejection:
        """Return the next entries of a room that may not exist yet; see ``read_page``.

        With the cursor ``0:0`` it waits until the room is created. ``reader`` is who reads, None
        without a token: its own shadowed comments are readable, or all for a moderator.
        """
        ends = self._clock.monotonic() + wait
        while True:
            room = await self.open_existing_room(name)
            left = ends - self._clock.monotonic()
            if isinstance(room, Rejection):
                return room
            if room is not None:
                page = self.read_page(room, cursor, limit, max(0.0, left), poller)
                return await self._reveal(room, await page, reader)
            if cursor != BEGINNING or left <= 0:
                return _make_empty_page(cursor)
            if self._long_polls >= self._limits.long_polls:
                return reject(Code.BUSY, retry_after=BUSY_SECONDS)
            self._long_polls += 1
            try:
                await self._rooms.wait_for(name, left)
            finally:
                self._long_polls -= 1

    async def read_page(
        self, room: Room, cursor: Cursor | None, limit: int, wait: float, poller: object
    ) -> Page | Rejection:
        """Return the next entries after a cursor, waiting up to ``wait`` seconds for one.

        Without a cursor: the recent history. ``poller`` identifies the client, so that one that
        polls repeatedly counts as one viewer.
        """
        room.used_at = self._clock.monotonic()
        cursor = room.resolve_cursor(cursor)
        reason = None if cursor is None else room.resume_error(cursor)
        if cursor is None or reason is not None:
            return self._make_page(room, room.recent(limit), room.head, False, reason)
        room.begin_poll(poller)
        try:
            return await self._read_after(room, cursor, limit, wait)
        finally:
            room.end_poll(poller, self._clock.monotonic())

    async def _reveal(
        self, room: Room, page: Page | Rejection, reader: Author | None
    ) -> Page | Rejection:
        """Replace the bodies of shadowed comments that the reader may see."""
        if isinstance(page, Rejection) or reader is None or page.first > page.last:
            return page
        is_moderator = reader.role in MODERATORS
        may_have = is_moderator or reader.user in room.hidden.authors
        if not may_have and room.entries_in_memory(page.first - 1, 0) is not None:
            return page
        try:
            hidden = await self._journal.read_hidden(room.name, page.first, page.last)
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
        if not hidden:
            return page
        bodies = [bytes(body) for body in _bodies.decode(page.entries)]
        revealed = reveal_all(bodies, page.first, hidden, reader.user, is_moderator=is_moderator)
        return replace(page, entries=join_bodies(revealed))

    async def _read_after(
        self, room: Room, cursor: Cursor, limit: int, wait: float
    ) -> Page | Rejection:
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
        # A wave may announce entries that this client has already: wait for newer ones.
        ends = self._clock.monotonic() + seconds
        while room.head == seq and not self.is_stopping:
            left = ends - self._clock.monotonic()
            if left <= 0:
                break
            await room.wait_for_entries(left)

    def _make_page(
        self, room: Room, bodies: list[bytes], last: int, recovered: bool, reason: str | None
    ) -> Page:
        self._metrics.deliveries.inc(len(bodies))
        return Page(
            epoch=room.epoch,
            first=last - len(bodies) + 1,
            last=last,
            head=room.head,
            recovered=recovered,
            reason=reason,
            entries=join_bodies(bodies),
        )

    # --- posting --------------------------------------------------------------------------------

    def post(
        self, room: Room, author: Author, post: wire.Post, network: str | None = None
    ) -> Outcome:
        """Post a comment; return a future of its ack, set once it is durable, or of a rejection.

        Retries share the future: await it through ``asyncio.shield()``. ``network`` is that of the
        sender's address, None for loopback.
        """
        if self.is_stopping:
            return room.reject_post(reject(Code.RESTARTING, retry_after=BUSY_SECONDS))
        if self._load.is_overloaded:
            return room.reject_post(reject(Code.BUSY, retry_after=OVERLOAD_SECONDS))
        # Staff are exempt from sanctions, so their addresses are not kept.
        address = ""
        if network is not None and not author.role.is_staff:
            address = hash_address(self._journal.address_secret, network)
        now, at = self._clock.monotonic(), self._clock.unix_ms()
        return room.post(author, post, now, at, address)

    async def change_settings(
        self, room: Room, patch: SettingsPatch | Shield | None, author: Author
    ) -> SettingsChanged | Rejection:
        """Change a room's settings, as ``author``; returns once they are durable."""
        if self.is_stopping:
            return reject(Code.RESTARTING, retry_after=BUSY_SECONDS)
        room.used_at = self._clock.monotonic()
        return await room.change_settings(patch, author, at=self._clock.unix_ms())

    # --- stopping -------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Accept no more posts, store and deliver the accepted ones, wake the long polls."""
        self.is_stopping = self._rooms.is_stopping = True
        if self._judge is not None:
            await self._judge.stop()
        await self.filtering.stop()
        await self._journal.close()
        await self._fanout.flush()
        self._rooms.wake_all()


def _make_empty_page(cursor: Cursor | None) -> Page:
    """Return the page of a room that was never created."""
    is_known = cursor == BEGINNING
    return Page(
        epoch=BEGINNING.epoch,
        first=1,
        last=0,
        head=0,
        recovered=is_known,
        reason=None if is_known or cursor is None else "epoch",
        entries=join_bodies([]),
    )
