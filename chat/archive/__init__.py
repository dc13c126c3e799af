"""The archive: a room's entries in SQL, numbered and stored with one transaction per batch.

Blocking code, for a thread of its own. Numbers are assigned inside the transaction that stores the
entries, so that a batch that fails leaves no gap.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import takewhile
from typing import Any

import msgspec
import sqlalchemy as sa

from chat.archive.database import CHECKPOINT_PAGES, Database
from chat.archive.file import ArchiveError
from chat.archive.identity import FileReplaced
from chat.archive.schema import entries, rooms
from chat.core.comment import Comment
from chat.core.entry import Entry, NumberedEntry, number_entry
from chat.core.retraction import Retraction, encode_retracted
from chat.core.room_settings import RoomSettings, SettingsChange

__all__ = ["Archive", "ArchiveError", "FileReplaced", "RoomRecord", "StoredEntry", "UnsavedEntry"]

_PAGE_BYTES = 4_096


class RoomRecord(msgspec.Struct, frozen=True):
    """A room in the archive: its key, epoch, newest seq and settings."""

    room_id: int
    epoch: str
    head: int
    settings: RoomSettings = RoomSettings()


class UnsavedEntry(msgspec.Struct, frozen=True):
    """An entry that waits for its number; ``ref`` is its sender's own id for it."""

    room_id: int
    entry: Entry
    ref: str | None = None

    @property
    def user(self) -> str:
        """The sender; a ref belongs to its sender."""
        return self.entry.user if isinstance(self.entry, Comment) else ""


class StoredEntry(msgspec.Struct, frozen=True):
    """The result for one entry of a batch: its number, and the entry unless it is a duplicate."""

    seq: int
    entry: NumberedEntry | None

    @property
    def dup(self) -> bool:
        """Whether an earlier entry with the same sender and ref has this number."""
        return self.entry is None


def _unpack(parameter: str, columns: Sequence[str]) -> tuple[Any, list[Any]]:
    """Read rows from one JSON parameter.

    One statement for a whole batch: the sqlite3 module releases the GIL at every statement, and
    one statement per row would compete with the event loop for it thousands of times a second.
    """
    rows = sa.func.json_each(sa.bindparam(parameter)).table_valued("value", name="rows")
    return rows, [
        sa.func.json_extract(rows.c.value, f"$[{place}]").label(name)
        for place, name in enumerate(columns)
    ]


_COLUMNS = ["room_id", "seq", "at", "kind", "user", "ref", "body"]
_INSERT = sa.insert(entries).from_select(_COLUMNS, sa.select(*_unpack("rows", _COLUMNS)[1]))
_, (_ROOM, _USER, _REF) = _unpack("refs", ["room_id", "user", "ref"])
_FIND_REFS = sa.select(entries.c.room_id, entries.c.user, entries.c.ref, entries.c.seq).where(
    entries.c.room_id == _ROOM, entries.c.user == _USER, entries.c.ref == _REF
)
_HEADS = sa.select(rooms.c.id, rooms.c.head).where(
    rooms.c.id.in_(sa.bindparam("ids", expanding=True))
)
_MOVE_HEAD = (
    sa.update(rooms).where(rooms.c.id == sa.bindparam("key")).values(head=sa.bindparam("seq"))
)
_SET = (
    sa.update(rooms).where(rooms.c.id == sa.bindparam("key")).values(settings=sa.bindparam("set"))
)
_OVERWRITE = (
    sa.update(entries)
    .where(
        entries.c.room_id == sa.bindparam("key"),
        entries.c.seq == sa.bindparam("target"),
        entries.c.kind == "comment",
    )
    .values(kind="retracted", body=sa.bindparam("placeholder"))
)
_READ = (
    sa.select(entries.c.seq, entries.c.body)
    .where(entries.c.room_id == sa.bindparam("key"), entries.c.seq > sa.bindparam("after"))
    .order_by(entries.c.seq)
    .limit(sa.bindparam("limit"))
)
_FIND_ROOMS = sa.select(rooms).where(rooms.c.name.in_(sa.bindparam("names", expanding=True)))
_OLDEST = (
    sa.select(entries.c.seq, entries.c.at)
    .where(entries.c.room_id == sa.bindparam("key"), entries.c.seq > sa.bindparam("after"))
    .order_by(entries.c.seq)
    .limit(sa.bindparam("limit"))
)
_TRIM = sa.delete(entries).where(
    entries.c.room_id == sa.bindparam("key"), entries.c.seq <= sa.bindparam("last")
)


class Archive(Database):
    """One SQL database. ``url`` is ``sqlite:///FILE``, or ``sqlite://`` for memory only.

    Raises ArchiveError when it cannot be opened, and leaves no file behind then. Methods that write
    belong to one thread: ``load_or_create_room``, ``append``, ``trim``, ``checkpoint`` and
    ``scrub``. Those that read may be called from others, unless ``in_memory``. All of them raise
    SQLAlchemyError, or FileReplaced when the file is not the one that was opened.
    """

    def find_rooms(self, names: Collection[str]) -> dict[str, RoomRecord]:
        """Return those of these rooms that exist."""
        with self._reading() as connection:
            found = connection.execute(_FIND_ROOMS, {"names": list(names)}).all()
        return {
            row.name: RoomRecord(
                row.id, row.epoch, row.head, msgspec.json.decode(row.settings, type=RoomSettings)
            )
            for row in found
        }

    def open_rooms(
        self, wanted: Mapping[str, str | None], recent: int
    ) -> dict[str, tuple[RoomRecord, list[bytes]]]:
        """Return rooms and their newest bodies, at most ``recent`` each, oldest first.

        A room that does not exist is created with the epoch given for it, all in one transaction.
        If the epoch is None, the room is omitted.
        """
        records = self.find_rooms(wanted)
        new = {name: epoch for name, epoch in wanted.items() if epoch and name not in records}
        if new:
            with self._writing() as connection:
                for name, epoch in new.items():
                    records[name] = self._load_or_create(connection, name, epoch)
            self.written_pages += 4
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
        """Return the room; a new room gets the epoch ``new_epoch``."""
        with self._writing() as connection:
            return self._load_or_create(connection, name, new_epoch)

    def _load_or_create(self, connection: sa.Connection, name: str, new_epoch: str) -> RoomRecord:
        find = sa.select(rooms).where(rooms.c.name == name)
        row = connection.execute(find).one_or_none()
        if row is None:
            made = sa.insert(rooms).values(name=name, epoch=new_epoch, head=0, settings="{}")
            key = connection.execute(made).inserted_primary_key
            assert key is not None
            return RoomRecord(key[0], new_epoch, 0)
        settings = msgspec.json.decode(row.settings, type=RoomSettings)
        return RoomRecord(row.id, row.epoch, row.head, settings)

    def append(self, batch: Iterable[UnsavedEntry]) -> list[StoredEntry]:
        """Number and store a batch, which is durable when this returns; raises SQLAlchemyError.

        In the same transaction, a retraction overwrites its target, and a change of settings
        replaces the room's settings.
        """
        batch = list(batch)
        stored: list[StoredEntry] = []
        rows: list[tuple[Any, ...]] = []
        size = 0
        with self._writing() as connection:
            heads = {
                row.id: row.head
                for row in connection.execute(_HEADS, {"ids": list({d.room_id for d in batch})})
            }
            before = dict(heads)
            seen = self._find_refs(connection, batch)
            for unsaved in batch:
                entry, key = unsaved.entry, (unsaved.room_id, unsaved.user, unsaved.ref)
                if unsaved.ref is not None and key in seen:
                    stored.append(StoredEntry(seen[key], None))
                    continue
                heads[unsaved.room_id] += 1
                seq = seen[key] = heads[unsaved.room_id]
                numbered = number_entry(entry, seq)
                kind = str(entry.__struct_config__.tag)
                rows.append(
                    (
                        unsaved.room_id,
                        seq,
                        entry.at,
                        kind,
                        unsaved.user,
                        unsaved.ref,
                        numbered.body.decode(),
                    )
                )
                stored.append(StoredEntry(seq, numbered))
            if rows:
                encoded = msgspec.json.encode(rows).decode()
                size = len(encoded)
                connection.execute(_INSERT, {"rows": encoded})
                moved = [
                    {"key": room, "seq": head}
                    for room, head in heads.items()
                    if head != before[room]
                ]
                connection.execute(_MOVE_HEAD, moved)
            self._overwrite_retracted(connection, batch)
            self._store_settings(connection, batch)
        self.written_pages += 4 + 2 * size // _PAGE_BYTES
        return stored

    def _find_refs(
        self, connection: sa.Connection, batch: list[UnsavedEntry]
    ) -> dict[tuple[int, str, str | None], int]:
        keys = [(d.room_id, d.user, d.ref) for d in batch if d.ref is not None]
        if not keys:
            return {}
        found = connection.execute(_FIND_REFS, {"refs": msgspec.json.encode(keys).decode()})
        return {(row.room_id, row.user, row.ref): row.seq for row in found}

    def _overwrite_retracted(self, connection: sa.Connection, batch: list[UnsavedEntry]) -> None:
        targets = [
            {
                "key": unsaved.room_id,
                "target": unsaved.entry.target,
                "placeholder": encode_retracted(unsaved.entry.target).decode(),
            }
            for unsaved in batch
            if isinstance(unsaved.entry, Retraction)
        ]
        if targets:
            connection.execute(_OVERWRITE, targets)

    def _store_settings(self, connection: sa.Connection, batch: list[UnsavedEntry]) -> None:
        # With the room, because entries are trimmed.
        chosen = [
            {"key": unsaved.room_id, "set": msgspec.json.encode(unsaved.entry.settings).decode()}
            for unsaved in batch
            if isinstance(unsaved.entry, SettingsChange)
        ]
        if chosen:
            connection.execute(_SET, chosen)

    def read(self, room_id: int, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return (seq, body) of the next ``limit`` entries after a seq, oldest first."""
        with self._reading() as connection:
            found = connection.execute(_READ, {"key": room_id, "after": after, "limit": limit})
            return [(row.seq, row.body.encode()) for row in found]

    # --- trimming ---------------------------------------------------------------------------------

    def room_ids(self) -> list[int]:
        """Return the keys of all rooms."""
        with self._reading() as connection:
            return list(connection.execute(sa.select(rooms.c.id)).scalars())

    def find_old(self, room_id: int, cutoff: int, limit: int, now: int) -> tuple[int, int]:
        """Return the last seq and the number of the oldest entries that are older than ``cutoff``.

        At most ``limit`` entries, (0, 0) if there are none. ``cutoff`` and ``now`` are in Unix
        milliseconds. An entry from the future was stored while the clock was wrong: it counts as
        old if the entries after it are.
        """
        after, passed = 0, 0
        with self._reading() as connection:
            while True:
                values = {"key": room_id, "after": after, "limit": limit}
                found = connection.execute(_OLDEST, values).all()
                rows = list(takewhile(lambda row: row.at < cutoff or row.at > now, found))
                old = [place for place, row in enumerate(rows, 1) if row.at < cutoff]
                if old and not passed:
                    return rows[old[-1] - 1].seq, old[-1]
                if old:
                    return after, passed
                if len(rows) < limit:
                    return 0, 0
                after, passed = rows[-1].seq, passed + len(rows)

    def trim(self, room_id: int, last: int) -> None:
        """Delete a room's entries up to ``last``, with their refs; its head does not change."""
        with self._writing() as connection:
            connection.execute(_TRIM, {"key": room_id, "last": last})
        self.written_pages += CHECKPOINT_PAGES // 10
