"""The journal of one machine: an archive behind one writer thread, with group commit.

What arrives while one commit runs goes into the next, so a lone comment waits for one fsync and a
flood shares it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from chat.archive import Archive, Draft, Kept, Numbering
from chat.core.retraction import Retraction
from chat.core.wire import Entry
from chat.journal import Busy, Deliver, Forget, NotKept, Opened, Place
from chat.metrics import Metrics

RECENT_LIMIT = 300
PENDING_LIMIT = 20_000
BATCH_LIMIT = 1_000
COMMIT_GAP = 0.008
LOOK_AGAIN_SECONDS = 1.0
RECONCILE_PAGE = 1_000
TRIM_STEP = 500
TRIM_PAUSE = 0.05
SCRUB_PAUSE = 1.0

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class _Open(msgspec.Struct):
    room_id: int
    delivered: int


class _Pending(msgspec.Struct, frozen=True):
    room: str
    draft: Draft
    place: asyncio.Future[Place]


class LocalJournal:
    """A ``Journal`` over an ``Archive`` in this process."""

    def __init__(self, archive: Archive, metrics: Metrics) -> None:
        self._archive = archive
        self._metrics = metrics
        self._writer = ThreadPoolExecutor(1, "archive-writer")
        # A database in memory is one connection, so its reads take turns with the writes.
        self._reader = (
            self._writer if archive.in_memory else ThreadPoolExecutor(2, "archive-reader")
        )
        self._rooms: dict[str, _Open] = {}
        self._pending: list[_Pending] = []
        self._uncertain: set[str] = set()
        self._wake = asyncio.Event()
        self._closing = False
        self._committed_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._scrubber: asyncio.Task[None] | None = None
        self._is_unclean = False
        self._deliver: Deliver = lambda room, first, bodies: None
        self._forget: Forget = lambda room, last: None
        metrics.watch(
            "danmaku_pending_comments", "Comments that wait to be kept", lambda: len(self._pending)
        )

    def start(self, deliver: Deliver, forget: Forget) -> None:
        """Begin to commit."""
        self._deliver, self._forget = deliver, forget
        self._task = asyncio.get_running_loop().create_task(self._commit_forever())

    async def open_room(self, room: str) -> Opened:
        """Open a room; raises NotKept when the archive cannot."""
        epoch = secrets.token_hex(4)

        def open_and_read() -> tuple[Numbering, list[tuple[int, bytes]]]:
            numbering = self._archive.open_room(room, epoch)
            after = max(0, numbering.head - RECENT_LIMIT)
            return numbering, self._archive.read(numbering.room_id, after, RECENT_LIMIT)

        # One step of the writer's thread: what commits after it is delivered, not read.
        numbering, found = await self._call(self._writer, open_and_read)
        self._rooms[room] = _Open(numbering.room_id, numbering.head)
        bodies = [body for _, body in found]
        return Opened(numbering.epoch, numbering.head, numbering.settings, bodies)

    def close_room(self, room: str) -> None:
        """Stop delivering a room."""
        self._rooms.pop(room, None)
        self._uncertain.discard(room)

    def append(self, room: str, entry: Entry, ref: str | None) -> asyncio.Future[Place]:
        """Put an entry into the next commit."""
        if self._closing or len(self._pending) >= PENDING_LIMIT:
            raise Busy
        place: asyncio.Future[Place] = asyncio.get_running_loop().create_future()
        draft = Draft(self._rooms[room].room_id, entry, ref)
        self._pending.append(_Pending(room, draft, place))
        self._wake.set()
        return place

    def is_certain(self, room: str) -> bool:
        """Tell whether there is nothing to look for on the disk."""
        return room not in self._uncertain

    async def read(self, room: str, after: int, limit: int) -> list[bytes]:
        """Read from the archive, beside the writer."""
        room_id = self._rooms[room].room_id
        found = await self._call(self._reader, lambda: self._archive.read(room_id, after, limit))
        if found and found[0][0] != after + 1:
            return []
        return [body for _, body in found]

    async def trim(self, cutoff: int) -> int:
        """Forget what is old, a step at a time."""
        archive, count = self._archive, 0
        for room_id in await self._call(self._reader, archive.room_ids):
            while not self._closing:
                find = partial(archive.find_old, room_id, cutoff, TRIM_STEP)
                last, found = await self._call(self._reader, find)
                if not found:
                    break
                await self._call(self._writer, partial(archive.trim, room_id, last))
                for room in [name for name, o in self._rooms.items() if o.room_id == room_id]:
                    self._forget(room, last)
                count += found
                await asyncio.sleep(TRIM_PAUSE)
        if count:
            self._scrub_soon()
        return count

    async def close(self) -> None:
        """Commit what is pending and end."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
        if self._scrubber is not None:
            self._scrubber.cancel()
        self._writer.shutdown()
        self._reader.shutdown()
        self._archive.close()

    async def _call(self, executor: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(executor, work)
        except SQLAlchemyError as error:
            _log.error("the archive failed: %s", error)
            raise NotKept from error
        except Exception as error:
            # The one loop that commits must outlive a bug in what it runs.
            _log.exception("the archive failed in a way that nobody foresaw")
            raise NotKept from error

    async def _commit_forever(self) -> None:
        while not self._closing or self._pending:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                await self._pace()
                batch, self._pending = self._pending[:BATCH_LIMIT], self._pending[BATCH_LIMIT:]
                await self._commit(batch)
            if self._uncertain:
                await self._look_again()

    async def _look_again(self) -> None:
        # Not only with the next comment: what was kept after all is shown also if nobody speaks.
        with contextlib.suppress(NotKept):
            await self._reconcile()
        if self._uncertain:
            asyncio.get_running_loop().call_later(LOOK_AGAIN_SECONDS, self._wake.set)

    async def _pace(self) -> None:
        # A commit costs about the same for one comment and for twenty, and under load a few
        # milliseconds gather those. A comment that comes alone waits for nothing.
        early = self._committed_at + COMMIT_GAP - time.monotonic()
        if early > 0 and not self._closing:
            await asyncio.sleep(early)
        self._committed_at = time.monotonic()

    async def _commit(self, batch: list[_Pending]) -> None:
        started = time.monotonic()
        try:
            await self._reconcile()
            drafts = [pending.draft for pending in batch]
            kept = await self._call(self._writer, lambda: self._archive.append(drafts))
        except NotKept as error:
            # Whether the disk has it is not known now: say so to nobody, and look before the next.
            self._metrics.commit_failures.inc()
            self._uncertain.update(pending.room for pending in batch if pending.room in self._rooms)
            for pending in batch:
                _resolve(pending.place, error)
            return
        self._metrics.commit_seconds.observe(time.monotonic() - started)
        self._hand_out(batch, kept)
        if any(isinstance(pending.draft.entry, Retraction) for pending in batch):
            self._scrub_soon()

    def _scrub_soon(self) -> None:
        self._is_unclean = True
        if self._scrubber is None or self._scrubber.done():
            self._scrubber = asyncio.get_running_loop().create_task(self._scrub())

    async def _scrub(self) -> None:
        # What cannot be done before the end is done at the next start.
        while self._is_unclean and not self._closing:
            self._is_unclean = False
            try:
                done = await self._call(self._writer, self._archive.scrub)
            except NotKept:
                done = False
            if not done:
                self._is_unclean = True
                await asyncio.sleep(SCRUB_PAUSE)

    def _hand_out(self, batch: list[_Pending], kept: list[Kept]) -> None:
        fresh: dict[str, list[bytes]] = {}
        for pending, entry in zip(batch, kept, strict=True):
            if not entry.dup:
                fresh.setdefault(pending.room, []).append(entry.body)
        for room, bodies in fresh.items():
            # Where an earlier delivery is due yet, these come after it, from the disk.
            if room in self._uncertain or not self._deliver_next(room, bodies):
                self._uncertain.add(room)
        for pending, entry in zip(batch, kept, strict=True):
            _resolve(pending.place, Place(entry.seq, entry.dup))

    def _deliver_next(self, room: str, bodies: list[bytes]) -> bool:
        opened = self._rooms.get(room)
        if opened is None:
            return True
        try:
            self._deliver(room, opened.delivered + 1, bodies)
        except Exception:
            # The one loop that commits must outlive a bug in what takes its deliveries.
            _log.exception("a delivery failed")
            return False
        opened.delivered += len(bodies)
        return True

    async def _reconcile(self) -> None:
        """After a failed commit or delivery: deliver what the disk has of it after all."""
        for room in list(self._uncertain):
            if await self._catch_up(room):
                self._uncertain.discard(room)

    async def _catch_up(self, room: str) -> bool:
        """Deliver what a room has on the disk; return whether that went well."""
        while (opened := self._rooms.get(room)) is not None:
            after, room_id = opened.delivered, opened.room_id
            found = await self._call(
                self._writer,
                lambda: self._archive.read(room_id, after, RECONCILE_PAGE),  # noqa: B023
            )
            if not found:
                break
            if not self._deliver_next(room, [body for _, body in found]):
                return False
        return True


def _resolve(place: asyncio.Future[Place], outcome: Place | Exception) -> None:
    if place.done():
        return  # whoever asked has gone
    if isinstance(outcome, Exception):
        place.set_exception(outcome)
    else:
        place.set_result(outcome)
