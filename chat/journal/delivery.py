"""Delivers what was committed, in order: at once, and after a failure from the archive."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial

import msgspec

from chat.archive import Archive, RoomRecord, StoredEntry
from chat.core.entry import NumberedEntry, decode_entry
from chat.core.moderation.acts import NumberedAct, decode_act
from chat.core.retraction import Retracted
from chat.journal import Deliver
from chat.journal.threads import ArchiveThreads

RECONCILE_PAGE = 1_000

_log = logging.getLogger(__name__)


class _Position(msgspec.Struct):
    """An open room's key in the archive, and the last seq and act that were delivered."""

    room_id: int
    delivered: int
    acts: int


class _Fresh(msgspec.Struct, frozen=True):
    """What a commit has stored in one room: entries in order, and acts in order."""

    entries: list[NumberedEntry]
    acts: list[NumberedAct]


class Delivery:
    """The open rooms, and how far each was delivered.

    ``inconsistent``: the rooms in which a commit or a delivery failed: some of what is stored may
    be undelivered, and what follows is delivered by ``reconcile``.
    """

    def __init__(self, archive: Archive, threads: ArchiveThreads) -> None:
        self._archive = archive
        self._threads = threads
        self._rooms: dict[str, _Position] = {}
        self.inconsistent: set[str] = set()
        self.deliver: Deliver = lambda room, entries, acts: None

    def open(self, room: str, record: RoomRecord) -> None:
        """Deliver a room from now on."""
        self._rooms[room] = _Position(record.room_id, record.head, record.acts)

    def close(self, room: str) -> None:
        """Stop delivering a room."""
        self._rooms.pop(room, None)
        self.inconsistent.discard(room)

    def find_key(self, room: str) -> int:
        """Return an open room's key in the archive."""
        return self._rooms[room].room_id

    def find_rooms(self, room_id: int) -> list[str]:
        """Return the open room that has this key in the archive, if there is one."""
        return [name for name, one in self._rooms.items() if one.room_id == room_id]

    def has_delivered(self, room_id: int, seq: int) -> bool:
        """Return whether the entries up to a seq were delivered, if the room is open."""
        return all(one.delivered >= seq for one in self._rooms.values() if one.room_id == room_id)

    def mark_inconsistent(self, rooms: set[str]) -> None:
        """Record that a commit failed that concerns these rooms."""
        self.inconsistent |= rooms & self._rooms.keys()

    def publish(self, rooms: Sequence[str], stored: Sequence[StoredEntry]) -> set[str]:
        """Deliver a committed batch; return the rooms in which a number was assigned twice."""
        fresh: dict[str, _Fresh] = {}
        for room, result in zip(rooms, stored, strict=True):
            if not result.dup:
                of_room = fresh.setdefault(room, _Fresh([], []))
                if result.entry is not None:
                    of_room.entries.append(result.entry)
                if result.act is not None:
                    of_room.acts.append(result.act)
        reissued = set()
        for room, new in fresh.items():
            if (number := self._find_reissued(room, new)) is not None:
                reissued.add(room)
                self.inconsistent.add(room)
                _log.error("%s: number %d was assigned twice", room, number)
                continue
            # If an earlier delivery is still due, these follow it from the archive.
            if room in self.inconsistent or not self._deliver_next(room, new):
                self.inconsistent.add(room)
        return reissued

    def _find_reissued(self, room: str, new: _Fresh) -> int | None:
        position = self._rooms.get(room)
        if position is None:
            return None
        if new.entries and new.entries[0].seq <= position.delivered:
            return new.entries[0].seq
        if new.acts and new.acts[0].id <= position.acts:
            return new.acts[0].id
        return None

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
            self.deliver(room, new.entries, new.acts)
        except Exception:
            # The one task that commits must survive a bug in a receiver of deliveries.
            _log.exception("a delivery failed")
            return False
        if new.entries:
            position.delivered = new.entries[-1].seq
        if new.acts:
            position.acts = new.acts[-1].id
        return True

    async def reconcile(self) -> None:
        """After a failed commit or delivery, deliver what is stored and was not delivered.

        Raises JournalError.
        """
        if self.inconsistent:
            await self._threads.write(self._archive.check_file)
        for room in sorted(self.inconsistent):
            if await self._deliver_from_disk(room):
                self.inconsistent.discard(room)

    async def _add_hidden(self, key: int, entries: list[NumberedEntry]) -> list[NumberedEntry]:
        first, last = entries[0].seq, entries[-1].seq
        read = partial(self._archive.read_hidden, key, first, last)
        hidden = await self._threads.write(read)
        return [msgspec.structs.replace(one, hidden=hidden.get(one.seq)) for one in entries]

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
            if any(isinstance(one.entry, Retracted) for one in entries):
                entries = await self._add_hidden(key, entries)
            if not self._deliver_next(room, _Fresh(entries, [decode_act(body) for body in acts])):
                return False
        return True
