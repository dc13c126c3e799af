"""A model of the archive in memory, on a disk that outlives the process and can fail.

``tests/simulation/test_archive_model.py`` runs the same operations on it and on SQLite.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import msgspec
from sqlalchemy.exc import OperationalError

from chat.archive import RoomRecord, StoredEntry, UnsavedEntry
from chat.core.entry import number_entry
from chat.core.moderation.acts import number_act
from chat.core.moderation.users import UserRecord
from chat.core.retraction import Removal, Retraction, encode_retracted, removes
from chat.core.room_settings import RoomSettings, SettingsChange

Body = dict[str, Any]
Row = tuple[int, str, str, str | None, bytes]
"""When it was posted, its kind, user and ref, and its body."""


@dataclass(frozen=True)
class PendingClear:
    """A clear whose texts are overwritten up to ``done``; reading omits all of them already."""

    before: int
    done: int


@dataclass
class StoredRoom:
    """A room's row and its entries; ``trimmed`` are those that were deleted.

    ``log`` has the acts: number, time and body.
    """

    room_id: int
    name: str
    epoch: str
    head: int = 0
    settings: RoomSettings = RoomSettings()  # noqa: RUF009 (frozen)
    entries: dict[int, Row] = field(default_factory=dict)
    refs: dict[tuple[str, str], int] = field(default_factory=dict)
    trimmed: dict[int, Row] = field(default_factory=dict)
    acts: int = 0
    log: list[tuple[int, int, bytes]] = field(default_factory=list)
    clears: list[PendingClear] = field(default_factory=list)

    def copy(self) -> StoredRoom:
        """Return a copy that can be changed."""
        return StoredRoom(
            self.room_id,
            self.name,
            self.epoch,
            self.head,
            self.settings,
            dict(self.entries),
            dict(self.refs),
            dict(self.trimmed),
            self.acts,
            list(self.log),
            list(self.clears),
        )


@dataclass
class Disk:
    """What survives a process. ``before`` and ``after`` are called around each commit.

    They may raise: an error before it leaves nothing, one after it leaves what was committed.
    ``reading`` is called before each read.
    """

    rooms: dict[int, StoredRoom] = field(default_factory=dict)
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None
    reading: Callable[[], None] = lambda: None
    commits: int = 0

    def read_all(self) -> dict[tuple[str, int], Body]:
        """Return every entry that was ever stored, by epoch and seq, with its present body."""
        return {
            (room.epoch, seq): msgspec.json.decode(row[4])
            for room in self.rooms.values()
            for seq, row in (room.trimmed | room.entries).items()
        }

    def named(self, name: str) -> StoredRoom | None:
        return next((room for room in self.rooms.values() if room.name == name), None)


class ArchiveModel:
    """The interface of ``chat.archive.Archive`` over a ``Disk``."""

    in_memory = False
    is_new = False
    path = None
    log_bytes = 0
    needs_checkpoint = False

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.is_closed = False

    def limit_lock_wait(self, seconds: float) -> None:
        pass

    def check_file(self) -> None:
        self._check_open()

    def checkpoint(self) -> bool:
        self._check_open()
        return True

    def scrub(self) -> bool:
        self._check_open()
        return True

    def close(self) -> None:
        self.is_closed = True

    discard = close

    def _check_open(self) -> None:
        if self.is_closed:
            raise RuntimeError("the archive was used after it was closed")

    # --- reading ----------------------------------------------------------------------------------

    def _read(self) -> None:
        self._check_open()
        self._disk.reading()

    def find_rooms(self, names: Collection[str]) -> dict[str, RoomRecord]:
        self._read()
        rooms = self._disk.rooms.values()
        return {room.name: _record(room) for room in rooms if room.name in names}

    def read(self, room_id: int, after: int, limit: int) -> list[tuple[int, bytes]]:
        self._read()
        room = self._disk.rooms.get(room_id)
        if room is None:
            return []
        found = sorted(seq for seq in room.entries if seq > after)[:limit]
        return [(seq, room.entries[seq][4]) for seq in found]

    def read_acts(self, room_id: int, after: int, limit: int) -> list[bytes]:
        self._read()
        log = self._disk.rooms[room_id].log
        return [body for number, _, body in log if number > after][:limit]

    def find_user(self, room_id: int, user: str, limit: int) -> UserRecord | None:
        self._read()
        rows = self._disk.rooms[room_id].entries.values()
        found = [row for row in rows if row[2] == user]
        if not found:
            return None
        return UserRecord(min(row[0] for row in found), [row[4] for row in found][-limit:])

    def has_old_acts(self, room_id: int, cutoff: int) -> bool:
        self._read()
        return any(at < cutoff for _, at, _ in self._disk.rooms[room_id].log)

    def room_ids(self) -> list[int]:
        self._read()
        return list(self._disk.rooms)

    def find_old(self, room_id: int, cutoff: int, limit: int, now: int) -> tuple[int, int]:
        self._read()
        room = self._disk.rooms.get(room_id)
        every = sorted((room.entries if room else {}).items())
        # Those that are old or from the future, up to the last that is old; in pages of ``limit``.
        after = passed = 0
        while True:
            found = [(seq, row[0]) for seq, row in every if seq > after][:limit]
            rows = list(takewhile(lambda row: row[1] < cutoff or row[1] > now, found))
            old = [place for place, row in enumerate(rows, 1) if row[1] < cutoff]
            if old and not passed:
                return rows[old[-1] - 1][0], old[-1]
            if old:
                return after, passed
            if len(rows) < limit:
                return 0, 0
            after, passed = rows[-1][0], passed + len(rows)

    # --- writing ----------------------------------------------------------------------------------

    def _commit(
        self, change: Callable[[dict[int, StoredRoom]], Any], room_id: Collection[int] = ()
    ) -> Any:
        """Apply a change to copies of rooms, which replace them if all goes well."""
        self._check_open()
        disk = self._disk
        rooms = dict(disk.rooms)
        for key in room_id:
            rooms[key] = rooms[key].copy()
        result = change(rooms)
        disk.before()
        disk.rooms = rooms
        disk.commits += 1
        disk.after()
        return result

    def open_rooms(
        self, wanted: Mapping[str, str | None], recent: int
    ) -> dict[str, tuple[RoomRecord, list[bytes]]]:
        records = self.find_rooms(wanted)
        new = {name: epoch for name, epoch in wanted.items() if epoch and name not in records}
        if new:

            def create(rooms: dict[int, StoredRoom]) -> None:
                for name, epoch in new.items():
                    records[name] = _load_or_create(rooms, name, epoch)

            self._commit(create)
        return {
            name: (
                record,
                [
                    body
                    for _, body in self.read(record.room_id, max(0, record.head - recent), recent)
                ],
            )
            for name, record in records.items()
        }

    def load_or_create_room(self, name: str, new_epoch: str) -> RoomRecord:
        record: RoomRecord = self._commit(lambda rooms: _load_or_create(rooms, name, new_epoch))
        return record

    def append(self, batch: Iterable[UnsavedEntry]) -> list[StoredEntry]:
        batch = list(batch)
        result: list[StoredEntry] = self._commit(
            lambda rooms: _append(rooms, batch), {unsaved.room_id for unsaved in batch}
        )
        return result

    def overwrite_cleared(self, limit: int) -> bool:
        """Do one step of the first clear; return whether any is left."""
        self._read()
        clearing = next((room for room in self._disk.rooms.values() if room.clears), None)
        if clearing is None:
            return False

        def change(rooms: dict[int, StoredRoom]) -> None:
            room = rooms[clearing.room_id]
            first, *others = room.clears
            last = min(first.before, first.done + limit)
            left = [] if last >= first.before else [PendingClear(first.before, last)]
            room.clears = left + others

        self._commit(change, [clearing.room_id])
        return any(room.clears for room in self._disk.rooms.values())

    def trim_acts(self, room_id: int, cutoff: int) -> None:
        def change(rooms: dict[int, StoredRoom]) -> None:
            room = rooms[room_id]
            room.log = [act for act in room.log if act[1] >= cutoff]

        self._commit(change, [room_id])

    def trim(self, room_id: int, last: int) -> None:
        def change(rooms: dict[int, StoredRoom]) -> None:
            room = rooms[room_id]
            room.trimmed |= {seq: row for seq, row in room.entries.items() if seq <= last}
            room.entries = {seq: row for seq, row in room.entries.items() if seq > last}
            room.refs = {key: seq for key, seq in room.refs.items() if seq > last}

        self._commit(change, [room_id])


def failure(reason: str) -> OperationalError:
    """Return what SQLAlchemy raises when the database fails."""
    return OperationalError("a statement", {}, Exception(reason))


def _record(room: StoredRoom) -> RoomRecord:
    return RoomRecord(room.room_id, room.epoch, room.head, room.settings, room.acts)


def _load_or_create(rooms: dict[int, StoredRoom], name: str, epoch: str) -> RoomRecord:
    found = next((room for room in rooms.values() if room.name == name), None)
    if found is None:
        found = StoredRoom(len(rooms) + 1, name, epoch)
        rooms[found.room_id] = found
    return _record(found)


def _append(rooms: dict[int, StoredRoom], batch: list[UnsavedEntry]) -> list[StoredEntry]:
    stored: list[StoredEntry] = []
    for unsaved in batch:
        room, entry = rooms[unsaved.room_id], unsaved.entry
        key = None if unsaved.ref is None else (unsaved.user, unsaved.ref)
        if key is not None and key in room.refs:
            stored.append(StoredEntry(room.refs[key], None))
            continue
        room.head += 1
        numbered = number_entry(entry, room.head)
        kind = str(entry.__struct_config__.tag)
        row = (entry.at, kind, unsaved.user, unsaved.ref, numbered.body)
        room.entries[room.head] = row
        if key is not None:
            room.refs[key] = room.head
        act = None
        if unsaved.act is not None:
            room.acts += 1
            act = number_act(unsaved.act, room.acts)
            room.log.append((room.acts, unsaved.act.at, act.body))
        stored.append(StoredEntry(room.head, numbered, act))
    for unsaved, result in zip(batch, stored, strict=True):
        room, entry = rooms[unsaved.room_id], unsaved.entry
        if isinstance(entry, SettingsChange):
            room.settings = entry.settings
        elif isinstance(entry, Removal) and not result.dup:
            _remove(room, entry)
    return stored


def _remove(room: StoredRoom, removal: Removal) -> None:
    for rows in (room.entries, room.trimmed):
        for seq, (at, kind, user, ref, _) in rows.items():
            if kind == "comment" and removes(removal, seq, user):
                rows[seq] = (at, "retracted", user, ref, encode_retracted(seq))
    if not isinstance(removal, Retraction):
        room.clears.append(PendingClear(removal.before, min(room.entries, default=1) - 1))
