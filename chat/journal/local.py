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

from chat.archive import Archive, OpenedRoom, StoredEntry, UnsavedEntry
from chat.core.entry import Entry, HiddenBody, Shadowed
from chat.core.moderation.acts import Act, DecideAct, SanctionAct, decode_act
from chat.core.moderation.held import HeldRecord
from chat.core.moderation.reports import ReportedComment
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
from chat.journal.delivery import Delivery
from chat.journal.threads import ArchiveThreads
from chat.journal.upkeep import Upkeep
from chat.metrics import Metrics

RECONCILE_RETRY_SECONDS = 1.0
STOP_LOCK_SECONDS = 1.5

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
        self.address_secret = archive.read_address_secret()
        self._threads = ArchiveThreads(archive)
        self._upkeep = Upkeep(archive, self._threads)
        self._delivery = Delivery(archive, self._threads)
        self._pending: list[_Pending] = []
        self._openings: list[_Opening] = []
        self._wake = asyncio.Event()
        self._closing = self._is_closed = False
        self._committed_at = 0.0
        self._task: asyncio.Task[None] | None = None
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
        self._delivery.deliver, self._trimmed = deliver, trimmed
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
                self._delivery.open(opening.name, one.record)
                room = _describe_room(one)
            if not opening.result.done():
                opening.result.set_result(room)

    def close_room(self, name: str) -> None:
        """Stop delivering a room."""
        self._delivery.close(name)

    def append(
        self,
        room: str,
        entry: Entry | Shadowed | None,
        ref: str | None,
        act: Act | None = None,
        address: str = "",
        payload: bytes = b"",
    ) -> asyncio.Future[AppendResult]:
        """Add an entry to the next commit."""
        if self._closing or len(self._pending) >= self._limits.pending:
            raise Busy
        result: asyncio.Future[AppendResult] = asyncio.get_running_loop().create_future()
        unsaved = UnsavedEntry(self._delivery.find_key(room), entry, ref, act, address, payload)
        self._pending.append(_Pending(room, unsaved, result))
        self._wake.set()
        return result

    def is_consistent(self, room: str) -> bool:
        """Return whether all stored entries of the room were delivered, as far as is known."""
        return room not in self._delivery.inconsistent

    async def read(self, room: str, after: int, limit: int) -> list[bytes]:
        """Read from the archive, concurrently with the writer."""
        room_id = self._delivery.find_key(room)
        found = await self._threads.read(lambda: self._archive.read(room_id, after, limit))
        if found and found[0][0] != after + 1:
            return []
        return [body for _, body in found]

    async def read_hidden(self, room: str, first: int, last: int) -> dict[int, HiddenBody]:
        """Read from the archive, concurrently with the writer."""
        read = partial(self._archive.read_hidden, self._delivery.find_key(room), first, last)
        return await self._threads.read(read)

    async def read_acts(self, room: str, after: int, limit: int) -> list[bytes]:
        """Read from the archive, concurrently with the writer."""
        read = partial(self._archive.read_acts, self._delivery.find_key(room), after, limit)
        return await self._threads.read(read)

    async def find_address(self, room: str, user: str) -> str | None:
        """Read from the archive, concurrently with the writer."""
        find = partial(self._archive.find_address, self._delivery.find_key(room), user)
        return await self._threads.read(find)

    async def find_user(self, room: str, user: str, limit: int) -> UserRecord | None:
        """Read from the archive, concurrently with the writer."""
        find = partial(self._archive.find_user, self._delivery.find_key(room), user, limit)
        return await self._threads.read(find)

    async def read_filters(self, room: str, before: int | None = None) -> tuple[int, bytes] | None:
        """Read from the archive, concurrently with the writer."""
        read = partial(self._archive.read_filters, self._delivery.find_key(room), before)
        return await self._threads.read(read)

    async def read_held(self, room: str) -> list[HeldRecord]:
        """Read from the archive, concurrently with the writer."""
        read = partial(self._archive.read_held, self._delivery.find_key(room))
        return await self._threads.read(read)

    async def find_held(self, room: str, number: int) -> HeldRecord | None:
        """Read from the archive, concurrently with the writer."""
        find = partial(self._archive.find_held, self._delivery.find_key(room), number)
        return await self._threads.read(find)

    async def read_reports(self, room: str) -> list[ReportedComment]:
        """Read from the archive, concurrently with the writer."""
        read = partial(self._archive.read_reports, self._delivery.find_key(room))
        return await self._threads.read(read)

    async def trim(self, cutoff: int) -> int:
        """Delete old entries and acts in steps."""
        archive, count = self._archive, 0
        now = self._clock.unix_ms()
        for room_id in await self._threads.read(archive.room_ids):
            while not self._closing:
                find = partial(archive.find_old, room_id, cutoff, self._limits.trim_step, now)
                last, found = await self._threads.read(find)
                if not found or not self._delivery.has_delivered(room_id, last):
                    break
                # First from memory: if the deletion fails it may have taken place, and what it
                # left can still be read from the archive.
                self._drop_trimmed(room_id, last)
                await self._threads.write(partial(archive.trim, room_id, last))
                # One that was opened in between was read before the deletion.
                self._drop_trimmed(room_id, last)
                count += found
                await asyncio.sleep(self._limits.trim_pause)
            if await self._threads.read(partial(archive.has_old_acts, room_id, cutoff)):
                await self._threads.write(partial(archive.trim_acts, room_id, cutoff))
            has_old = partial(archive.has_old_addresses, room_id, cutoff)
            while not self._closing and await self._threads.read(has_old):
                size = self._limits.trim_step
                await self._threads.write(partial(archive.trim_addresses, room_id, cutoff, size))
                await asyncio.sleep(self._limits.trim_pause)
        if count:
            self._upkeep.scrub_soon()
        return count

    def _drop_trimmed(self, room_id: int, last: int) -> None:
        for room in self._delivery.find_rooms(room_id):
            self._trimmed(room, last)

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
            if self._delivery.inconsistent:
                await self._retry_reconcile()

    async def _retry_reconcile(self) -> None:
        # Not only at the next post: stored entries must be delivered even if nobody posts.
        with contextlib.suppress(JournalError):
            await self._delivery.reconcile()
        if self._delivery.inconsistent:
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
            await self._delivery.reconcile()
            unsaved = [pending.unsaved for pending in batch]
            stored = await self._threads.write(lambda: self._archive.append(unsaved))
        except JournalError as error:
            # It is unknown whether they were stored: acknowledge none, and reconcile first.
            self._metrics.commit_failures.inc()
            self._delivery.mark_inconsistent({pending.room for pending in batch})
            self._overwrite_removed(batch)
            for pending in batch:
                if not pending.result.done():
                    failed = AppendFailed()
                    failed.__cause__ = error
                    pending.result.set_exception(failed)
            return
        self._metrics.commit_seconds.observe(self._clock.monotonic() - started)
        self._publish(batch, stored)
        self._overwrite_removed(batch)
        with contextlib.suppress(JournalError):
            await self._upkeep.checkpoint_if_needed()

    def _overwrite_removed(self, batch: list[_Pending]) -> None:
        """Overwrite what a batch may have removed; also after a failure, which may be stored."""
        if any(isinstance(pending.unsaved.entry, Removal) for pending in batch):
            self._upkeep.overwrite_soon()
        elif any(isinstance(pending.unsaved.act, DecideAct) for pending in batch):
            self._upkeep.scrub_soon()

    def _publish(self, batch: list[_Pending], stored: list[StoredEntry]) -> None:
        """Deliver a committed batch, then resolve its futures."""
        reissued = self._delivery.publish([pending.room for pending in batch], stored)
        for pending, result in zip(batch, stored, strict=True):
            if pending.result.done():
                continue
            if pending.room in reissued and not result.dup:
                pending.result.set_exception(AppendFailed())
            else:
                pending.result.set_result(_describe_result(result))


def _describe_room(opened: OpenedRoom) -> JournalRoom:
    record = opened.record
    begun = (decode_act(body).act for body in opened.sanctions)
    sanctions = [act for act in begun if isinstance(act, SanctionAct)]
    return JournalRoom(
        record.epoch,
        record.head,
        record.settings,
        opened.recent,
        record.acts,
        sanctions,
        opened.filters,
        opened.held,
        opened.names,
        opened.hidden,
    )


def _describe_result(stored: StoredEntry) -> AppendResult:
    act = 0 if stored.act is None else stored.act.id
    return AppendResult(stored.seq, stored.dup, act, stored.held, stored.reports)
