"""The journal for one machine: an archive behind one writer thread, with group commit.

Entries that arrive during a commit go into the next one, so a lone comment waits for one fsync and
a flood shares it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from random import Random

import msgspec

from chat.archive import Archive, StoredEntry, UnsavedEntry
from chat.core.entry import Entry, NumberedEntry, decode_entry
from chat.core.moderation.acts import Act, NumberedAct, decode_act
from chat.core.moderation.users import UserRecord
from chat.core.retraction import Removal
from chat.environment import SYSTEM_CLOCK, SYSTEM_RANDOM, Clock
from chat.journal import (
    AppendFailed,
    AppendResult,
    Busy,
    Deliver,
    JournalError,
    JournalRoom,
    ReadFailed,
    Trimmed,
)
from chat.journal.threads import ArchiveThreads
from chat.journal.upkeep import Upkeep
from chat.metrics import Metrics

RECONCILE_RETRY_SECONDS = 1.0
STOP_LOCK_SECONDS = 1.5
RECONCILE_PAGE = 1_000

_log = logging.getLogger(__name__)


class JournalLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a journal.

    ``recent``: entries read when a room is opened. ``pending``: entries waiting to be stored.
    ``batch``: entries in one commit. ``openings``: rooms waiting to be opened;
    ``openings_at_once``: how many are opened between two commits. ``commit_gap``: minimum seconds
    between the starts of two commits, so that entries collect under load. ``trim_step``: entries
    deleted in one step; ``trim_pause``: seconds between two steps.
    """

    recent: int = 300
    openings: int = 1_000
    openings_at_once: int = 8
    pending: int = 20_000
    batch: int = 1_000
    commit_gap: float = 0.008
    trim_step: int = 500
    trim_pause: float = 0.05


class _RoomPosition(msgspec.Struct):
    """An open room's key in the archive, and the last seq and act that were delivered."""

    room_id: int
    delivered: int
    acts: int


class _Fresh(msgspec.Struct, frozen=True):
    """What a commit has stored in one room: entries in order, and acts in order."""

    entries: list[NumberedEntry]
    acts: list[NumberedAct]


class _Pending(msgspec.Struct, frozen=True):
    """An entry that waits for its commit."""

    room: str
    unsaved: UnsavedEntry
    result: asyncio.Future[AppendResult]


class _Opening(msgspec.Struct, frozen=True):
    """A room that waits to be opened; without ``new_epoch`` it is not created."""

    name: str
    new_epoch: str | None
    result: asyncio.Future[JournalRoom | None]


class LocalJournal:
    """A ``Journal`` over an ``Archive`` in this process."""

    def __init__(
        self,
        archive: Archive,
        metrics: Metrics,
        limits: JournalLimits | None = None,
        clock: Clock = SYSTEM_CLOCK,
        random: Random = SYSTEM_RANDOM,
    ) -> None:
        self._archive = archive
        self._clock = clock
        self._random = random
        self._metrics = metrics
        self._limits = limits or JournalLimits()
        self._threads = ArchiveThreads(archive)
        self._upkeep = Upkeep(archive, self._threads)
        self._rooms: dict[str, _RoomPosition] = {}
        self._pending: list[_Pending] = []
        self._openings: list[_Opening] = []
        # Rooms in which a commit or a delivery failed: some stored entries may be undelivered.
        self._inconsistent: set[str] = set()
        self._wake = asyncio.Event()
        self._closing = self._is_closed = False
        self._committed_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._deliver: Deliver = lambda room, entries, acts: None
        self._trimmed: Trimmed = lambda room, last: None
        metrics.watch(
            "danmaku_pending_comments",
            "Comments waiting to be stored",
            lambda: len(self._pending),
        )
        metrics.watch(
            "danmaku_write_ahead_log_bytes",
            "Size of the database's write-ahead log",
            lambda: archive.log_bytes,
        )

    @property
    def is_healthy(self) -> bool:
        """Whether the database file is the one that was opened, at its path."""
        return self._threads.is_healthy

    def start(self, deliver: Deliver, trimmed: Trimmed) -> None:
        """Begin to commit."""
        self._deliver, self._trimmed = deliver, trimmed
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._commit_forever())
        self._upkeep.start()

    async def open_room(self, name: str) -> JournalRoom:
        """Open a room, creating it at first use; raises ReadFailed or Busy."""
        room = await self._request_room(name, self._random.randbytes(4).hex())
        assert room is not None
        return room

    async def find_room(self, name: str) -> JournalRoom | None:
        """Open a room if it exists; raises ReadFailed or Busy."""
        # On a reader thread, so that requests for unknown rooms do not delay commits.
        if not await self._threads.read(lambda: self._archive.find_rooms([name])):
            return None
        return await self._request_room(name, None)

    def _request_room(self, name: str, new_epoch: str | None) -> asyncio.Future[JournalRoom | None]:
        if self._closing or len(self._openings) >= self._limits.openings:
            raise Busy
        result: asyncio.Future[JournalRoom | None] = asyncio.get_running_loop().create_future()
        self._openings.append(_Opening(name, new_epoch, result))
        self._wake.set()
        return result

    async def _open_next(self) -> None:
        """Open a few of the waiting rooms; called between two commits.

        It runs on the writer thread as one step, so entries committed later are delivered.
        """
        size = self._limits.openings_at_once
        openings, self._openings = self._openings[:size], self._openings[size:]
        wanted: dict[str, str | None] = {}
        for opening in openings:
            wanted[opening.name] = opening.new_epoch or wanted.get(opening.name)
        try:
            found = await self._threads.write(
                lambda: self._archive.open_rooms(wanted, self._limits.recent)
            )
        except JournalError:
            for opening in openings:
                if not opening.result.done():
                    opening.result.set_exception(ReadFailed())
            return
        for opening in openings:
            room = None
            if (one := found.get(opening.name)) is not None:
                record, bodies = one
                self._rooms[opening.name] = _RoomPosition(record.room_id, record.head, record.acts)
                room = JournalRoom(record.epoch, record.head, record.settings, bodies, record.acts)
            if not opening.result.done():
                opening.result.set_result(room)

    def close_room(self, name: str) -> None:
        """Stop delivering a room."""
        self._rooms.pop(name, None)
        self._inconsistent.discard(name)

    def append(
        self, room: str, entry: Entry, ref: str | None, act: Act | None = None
    ) -> asyncio.Future[AppendResult]:
        """Add an entry to the next commit."""
        if self._closing or len(self._pending) >= self._limits.pending:
            raise Busy
        result: asyncio.Future[AppendResult] = asyncio.get_running_loop().create_future()
        unsaved = UnsavedEntry(self._rooms[room].room_id, entry, ref, act)
        self._pending.append(_Pending(room, unsaved, result))
        self._wake.set()
        return result

    def is_consistent(self, room: str) -> bool:
        """Return whether all stored entries of the room were delivered, as far as is known."""
        return room not in self._inconsistent

    async def read(self, room: str, after: int, limit: int) -> list[bytes]:
        """Read from the archive, concurrently with the writer."""
        room_id = self._rooms[room].room_id
        found = await self._threads.read(lambda: self._archive.read(room_id, after, limit))
        if found and found[0][0] != after + 1:
            return []
        return [body for _, body in found]

    async def read_acts(self, room: str, after: int, limit: int) -> list[bytes]:
        """Read from the archive, concurrently with the writer."""
        read = partial(self._archive.read_acts, self._rooms[room].room_id, after, limit)
        return await self._threads.read(read)

    async def find_user(self, room: str, user: str, limit: int) -> UserRecord | None:
        """Read from the archive, concurrently with the writer."""
        find = partial(self._archive.find_user, self._rooms[room].room_id, user, limit)
        return await self._threads.read(find)

    async def trim(self, cutoff: int) -> int:
        """Delete old entries and acts in steps."""
        archive, count = self._archive, 0
        now = self._clock.unix_ms()
        for room_id in await self._threads.read(archive.room_ids):
            while not self._closing:
                find = partial(archive.find_old, room_id, cutoff, self._limits.trim_step, now)
                last, found = await self._threads.read(find)
                if not found:
                    break
                await self._threads.write(partial(archive.trim, room_id, last))
                for room in [name for name, o in self._rooms.items() if o.room_id == room_id]:
                    self._trimmed(room, last)
                count += found
                await asyncio.sleep(self._limits.trim_pause)
            if await self._threads.read(partial(archive.has_old_acts, room_id, cutoff)):
                await self._threads.write(partial(archive.trim_acts, room_id, cutoff))
        if count:
            self._upkeep.scrub_soon()
        return count

    async def close(self) -> None:
        """Commit what is pending, then stop; does not wait long for another process's lock."""
        if self._is_closed:
            return
        self._closing = self._is_closed = True
        self._archive.limit_lock_wait(STOP_LOCK_SECONDS)
        openings, self._openings = self._openings, []
        for opening in openings:
            if not opening.result.done():
                opening.result.set_exception(ReadFailed())
        self._wake.set()
        if self._task is not None:
            await self._task
        self._upkeep.stop()
        await self._threads.close()

    async def _commit_forever(self) -> None:
        while not self._closing or self._pending or self._openings:
            await self._wake.wait()
            self._wake.clear()
            while self._pending or self._openings:
                if self._pending:
                    await self._wait_for_gap()
                    size = self._limits.batch
                    batch, self._pending = self._pending[:size], self._pending[size:]
                    await self._commit(batch)
                if self._openings:
                    await self._open_next()
            if self._inconsistent:
                await self._retry_reconcile()

    async def _retry_reconcile(self) -> None:
        # Not only at the next post: stored entries must be delivered even if nobody posts.
        with contextlib.suppress(JournalError):
            await self._reconcile()
        if self._inconsistent:
            asyncio.get_running_loop().call_later(RECONCILE_RETRY_SECONDS, self._wake.set)

    async def _wait_for_gap(self) -> None:
        # A commit costs about the same for one comment and for twenty, which collect within a few
        # milliseconds under load. A single comment is committed at once.
        early = self._committed_at + self._limits.commit_gap - self._clock.monotonic()
        if early > 0 and not self._closing:
            await asyncio.sleep(early)
        self._committed_at = self._clock.monotonic()

    async def _commit(self, batch: list[_Pending]) -> None:
        started = self._clock.monotonic()
        try:
            await self._reconcile()
            unsaved = [pending.unsaved for pending in batch]
            stored = await self._threads.write(lambda: self._archive.append(unsaved))
        except JournalError as error:
            # It is unknown whether they were stored: acknowledge none, and reconcile first.
            self._metrics.commit_failures.inc()
            self._inconsistent.update(p.room for p in batch if p.room in self._rooms)
            for pending in batch:
                if not pending.result.done():
                    failed = AppendFailed()
                    failed.__cause__ = error
                    pending.result.set_exception(failed)
            return
        self._metrics.commit_seconds.observe(self._clock.monotonic() - started)
        self._publish(batch, stored)
        if any(isinstance(pending.unsaved.entry, Removal) for pending in batch):
            self._upkeep.overwrite_soon()
        with contextlib.suppress(JournalError):
            await self._upkeep.checkpoint_if_needed()

    def _publish(self, batch: list[_Pending], stored: list[StoredEntry]) -> None:
        """Deliver a committed batch, then resolve its futures."""
        fresh: dict[str, _Fresh] = {}
        for pending, result in zip(batch, stored, strict=True):
            if result.entry is not None:
                of_room = fresh.setdefault(pending.room, _Fresh([], []))
                of_room.entries.append(result.entry)
                if result.act is not None:
                    of_room.acts.append(result.act)
        reissued = set()
        for room, new in fresh.items():
            position, first = self._rooms.get(room), new.entries[0].seq
            if position is not None and first <= position.delivered:
                reissued.add(room)
                self._inconsistent.add(room)
                _log.error("%s: number %d was assigned twice", room, first)
                continue
            # If an earlier delivery is still due, these follow it from the archive.
            if room in self._inconsistent or not self._deliver_next(room, new):
                self._inconsistent.add(room)
        for pending, result in zip(batch, stored, strict=True):
            if pending.result.done():
                continue
            if pending.room in reissued and not result.dup:
                pending.result.set_exception(AppendFailed())
            else:
                pending.result.set_result(AppendResult(result.seq, result.dup))

    def _deliver_next(self, room: str, new: _Fresh) -> bool:
        position = self._rooms.get(room)
        if position is None:
            return True
        for kind, numbers, last in (
            ("entry", [one.seq for one in new.entries[:1]], position.delivered),
            ("act", [one.id for one in new.acts[:1]], position.acts),
        ):
            if numbers and numbers[0] != last + 1:
                # Another process wrote to the archive. What is missing is read from it.
                _log.error("%s: %s %d does not follow %d", room, kind, numbers[0], last)
                return False
        try:
            self._deliver(room, new.entries, new.acts)
        except Exception:
            # The one task that commits must survive a bug in a receiver of deliveries.
            _log.exception("a delivery failed")
            return False
        if new.entries:
            position.delivered = new.entries[-1].seq
        if new.acts:
            position.acts = new.acts[-1].id
        return True

    async def _reconcile(self) -> None:
        """After a failed commit or delivery, deliver the stored entries that were not delivered."""
        if self._inconsistent:
            await self._threads.write(self._archive.check_file)
        for room in sorted(self._inconsistent):
            if await self._deliver_from_disk(room):
                self._inconsistent.discard(room)

    async def _deliver_from_disk(self, room: str) -> bool:
        """Deliver what a room is due from the archive; return whether that succeeded."""
        while (position := self._rooms.get(room)) is not None:
            archive, key = self._archive, position.room_id
            found = await self._threads.write(
                partial(archive.read, key, position.delivered, RECONCILE_PAGE)
            )
            acts = await self._threads.write(
                partial(archive.read_acts, key, position.acts, RECONCILE_PAGE)
            )
            if not found and not acts:
                break
            entries = [decode_entry(body) for _, body in found]
            if not self._deliver_next(room, _Fresh(entries, [decode_act(body) for body in acts])):
                return False
        return True
