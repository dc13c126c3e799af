"""The filters of the open rooms: stored as acts, compiled in a thread, bounded in memory.

Which comments they concern is decided by ``core/moderation/filters.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import msgspec

from chat.core.comment import clean_text
from chat.core.moderation.acts import FiltersAct
from chat.core.moderation.filters import BadFilter, Filter, FilterSet, compile_filters
from chat.core.reject import Code, Rejection, reject
from chat.core.requests import FiltersRequest, decode_body
from chat.core.responses import FiltersChanged, Tried
from chat.core.room_state import Author
from chat.environment import Clock
from chat.journal import Journal, ReadFailed
from chat.posts import BUSY_SECONDS
from chat.room import Room

FILTER_BYTES = 256 * 1_024 * 1_024
WAITING_LIMIT = 8
NO_FILTERS = b'{"filters":[]}'

_log = logging.getLogger(__name__)


class _Compiled(msgspec.Struct, frozen=True):
    """Filters ready for use; ``body`` is their JSON."""

    filters: FilterSet | None
    body: bytes

    def __len__(self) -> int:
        return 0 if self.filters is None else len(self.filters)


class Filtering:
    """Loads and changes filters, one room at a time. ``limit``: bytes of all that are loaded."""

    def __init__(
        self, journal: Journal, rooms: Iterable[Room], clock: Clock, limit: int = FILTER_BYTES
    ) -> None:
        self._journal = journal
        self._rooms = rooms
        self._clock = clock
        self._limit = limit
        self._thread = ThreadPoolExecutor(1, "filters")
        self._turn = asyncio.Lock()
        self._changes = 0
        self._loading: dict[Room, asyncio.Task[None]] = {}

    @property
    def size(self) -> int:
        """The memory that the filters of all rooms take, in bytes."""
        return sum(room.filters.size for room in self._rooms)

    async def load(self, room: Room) -> None:
        """Put a room's newest filters in force; a failed read leaves them as they are."""
        if room.filters.are_due:
            await asyncio.shield(self._begin(room))

    def load_soon(self, room: Room) -> None:
        """Begin to put a room's newest filters in force, if they are not."""
        if room.filters.are_due:
            self._begin(room)

    def load_wanted(self) -> None:
        """Load the filters of the rooms in which somebody wanted to post."""
        for room in self._rooms:
            if room.filters.is_wanted:
                self.load_soon(room)

    def _begin(self, room: Room) -> asyncio.Task[None]:
        task = self._loading.get(room)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(room))
            self._loading[room] = task
            task.add_done_callback(lambda _done: self._loading.pop(room, None))
        return task

    async def _load(self, room: Room) -> None:
        async with self._turn:
            while room.filters.are_due:
                try:
                    found = await self._journal.read_filters(room.name)
                except (ReadFailed, KeyError):
                    return  # the archive failed, or the room was closed
                number, body = found or (room.filters.newest, NO_FILTERS)
                compiled = await self._compile(body)
                if not isinstance(compiled, _Compiled):
                    _log.error("%s: the stored filters cannot be used: %s", room.name, compiled)
                    return
                self._use(room, max(number, room.filters.newest), compiled)

    def _use(self, room: Room, number: int, compiled: _Compiled) -> None:
        room.filters.use(number, compiled.filters)
        size = self.size
        for other in sorted(self._rooms, key=lambda one: one.used_at):
            if size <= self._limit:
                break
            if other is not room:
                size -= other.filters.size
                other.filters.drop()

    async def change(self, room: Room, body: bytes, author: Author) -> FiltersChanged | Rejection:
        """Replace a room's filters; returns once they are durable and in force."""
        if self._changes >= WAITING_LIMIT:
            return reject(Code.BUSY, retry_after=BUSY_SECONDS)
        self._changes += 1
        try:
            async with self._turn:
                compiled = await self._compile(body)
                if isinstance(compiled, Rejection):
                    return compiled
                act = FiltersAct(
                    at=self._clock.unix_ms(),
                    by=author.user,
                    by_name=author.name,
                    count=len(compiled),
                )
                result = await room.append_act(None, act, payload=compiled.body)
                if isinstance(result, Rejection):
                    return result
                if room.filters.newest == result.act:
                    self._use(room, result.act, compiled)
                return FiltersChanged(result.act, len(compiled))
        finally:
            self._changes -= 1

    async def read(self, room: Room, before: int | None) -> bytes | Rejection:
        """Return a room's filters as JSON, or those in force before an act."""
        try:
            found = await self._journal.read_filters(room.name, before)
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
        return NO_FILTERS if found is None else found[1]

    async def try_text(self, room: Room, raw: str) -> Tried | Rejection:
        """Return what the filters would do with a comment."""
        text = clean_text(raw)
        if isinstance(text, Rejection):
            return text
        await self.load(room)
        if (rejection := room.filters.check_ready()) is not None:
            return rejection
        compiled = room.filters.compiled
        verdict = None if compiled is None else compiled.check(text)
        if verdict is None:
            return Tried(None, [], text)
        return Tried(verdict.action, verdict.matches, verdict.text)

    async def _compile(self, body: bytes) -> _Compiled | Rejection:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, _compile, body)

    async def stop(self) -> None:
        """End what is being loaded."""
        for task in list(self._loading.values()):
            task.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)


def _compile(body: bytes) -> _Compiled | Rejection:
    wanted = decode_body(body, FiltersRequest)
    if isinstance(wanted, Rejection):
        return wanted
    filters: list[Filter] = list(dict.fromkeys(wanted.filters))
    compiled = compile_filters(filters)
    if isinstance(compiled, BadFilter):
        position = wanted.filters.index(filters[compiled.position])
        detail = f"{position} cannot be used: {compiled.reason}"
        return msgspec.structs.replace(reject(Code.BAD_FILTER, detail=detail), position=position)
    stored = msgspec.json.encode(FiltersRequest(filters))
    return _Compiled(compiled if filters else None, stored)
