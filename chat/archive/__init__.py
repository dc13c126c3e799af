"""The archive: a room's entries in SQL, numbered and stored with one transaction per batch.

Blocking code, for a thread of its own. Numbers are assigned inside the transaction that stores the
entries, so that a batch that fails leaves no gap.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import takewhile
from types import MappingProxyType
from typing import Any

import msgspec
import sqlalchemy as sa

from chat.archive.acts import has_old_acts, read_acts, trim_acts
from chat.archive.addresses import (
    KnownAddresses,
    find_address,
    has_old_addresses,
    read_secret,
    record_addresses,
    trim_addresses,
)
from chat.archive.appending import append_batch
from chat.archive.batch import StoredEntry, UnsavedEntry
from chat.archive.database import CHECKPOINT_PAGES, Database
from chat.archive.file import ArchiveError
from chat.archive.filters import find_filters, read_filters
from chat.archive.held import find_held, read_held, read_held_keys, trim_held
from chat.archive.identity import FileReplaced
from chat.archive.removals import IS_HIDDEN, VISIBLE_BODY, find_clear, overwrite_cleared
from chat.archive.reports import has_old_reports, read_reports, trim_reports
from chat.archive.sanctions import read_sanctions
from chat.archive.schema import entries, rooms
from chat.archive.staff_names import KnownNames, read_names, record_names, trim_names
from chat.archive.users import find_user
from chat.core.entry import HiddenBody
from chat.core.moderation.held import HeldKey, HeldRecord
from chat.core.moderation.reports import ReportedComment
from chat.core.moderation.staff_names import StaffName
from chat.core.moderation.users import UserRecord
from chat.core.room_settings import RoomSettings

__all__ = [
    "Archive",
    "ArchiveError",
    "FileReplaced",
    "OpenedRoom",
    "RoomRecord",
    "StoredEntry",
    "UnsavedEntry",
]

_PAGE_BYTES = 4_096


class RoomRecord(msgspec.Struct, frozen=True):
    """A room in the archive: its key, epoch, newest seq, settings and number of acts."""

    room_id: int
    epoch: str
    head: int
    settings: RoomSettings = RoomSettings()
    acts: int = 0


class OpenedRoom(msgspec.Struct, frozen=True):
    """A room as it is opened: its newest bodies, oldest first, and the acts of its sanctions.

    ``filters``: the number of the act that set its filters, 0 without one. ``held``: which comments
    wait for a moderator. ``names`` are those that its staff use. ``hidden``: the shadowed comments
    among the newest entries, by seq.
    """

    record: RoomRecord
    recent: list[bytes]
    sanctions: list[bytes]
    filters: int = 0
    held: Sequence[HeldKey] = ()
    names: Sequence[StaffName] = ()
    hidden: Mapping[int, HiddenBody] = MappingProxyType({})


_READ = (
    sa.select(entries.c.seq, VISIBLE_BODY.label("body"))
    .where(entries.c.room_id == sa.bindparam("key"), entries.c.seq > sa.bindparam("after"))
    .order_by(entries.c.seq)
    .limit(sa.bindparam("limit"))
)
_READ_HIDDEN = (
    sa.select(entries.c.seq, entries.c.user, entries.c.body)
    .where(
        entries.c.room_id == sa.bindparam("key"),
        entries.c.seq.between(sa.bindparam("first"), sa.bindparam("last")),
        IS_HIDDEN,
    )
    .order_by(entries.c.seq)
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
    belong to one thread: ``load_or_create_room``, ``append``, ``overwrite_cleared``, ``trim``,
    ``trim_acts``, ``trim_addresses``, ``checkpoint`` and ``scrub``. Those that read may be called
    from others, unless ``in_memory``. All of them raise SQLAlchemyError, or FileReplaced when the
    file is not the one that was opened.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._addresses = KnownAddresses()
        self._names = KnownNames()

    def read_address_secret(self) -> bytes:
        """Return the secret with which addresses are hashed; each database has its own."""
        with self._reading() as connection:
            return read_secret(connection)

    def find_address(self, room_id: int, user: str) -> str | None:
        """Return the hash of the address from which a user posted last."""
        with self._reading() as connection:
            return find_address(connection, room_id, user)

    def find_rooms(self, names: Collection[str]) -> dict[str, RoomRecord]:
        """Return those of these rooms that exist."""
        with self._reading() as connection:
            found = connection.execute(_FIND_ROOMS, {"names": list(names)}).all()
        return {row.name: _read_record(row) for row in found}

    def open_rooms(self, wanted: Mapping[str, str | None], recent: int) -> dict[str, OpenedRoom]:
        """Return rooms, each with at most ``recent`` bodies.

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
        return {name: self._open(record, recent) for name, record in records.items()}

    def _open(self, record: RoomRecord, recent: int) -> OpenedRoom:
        after = max(0, record.head - recent)
        found = self.read(record.room_id, after, recent)
        hidden = self.read_hidden(record.room_id, after + 1, record.head)
        with self._reading() as connection:
            sanctions = read_sanctions(connection, record.room_id)
            filters = find_filters(connection, record.room_id)
            held = read_held_keys(connection, record.room_id)
            names = read_names(connection, record.room_id)
        return OpenedRoom(
            record, [body for _, body in found], sanctions, filters, held, names, hidden
        )

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
        return _read_record(row)

    def append(self, batch: Iterable[UnsavedEntry]) -> list[StoredEntry]:
        """Number and store a batch (``appending.py``), which is durable when this returns."""
        batch = list(batch)
        with self._writing() as connection:
            appended = append_batch(connection, batch)
            # All comments of a batch have their addresses stored with it: few of them are new.
            addressed = [one for one in batch if one.address]
            addresses = self._addresses.find_new(addressed, _newest_time(addressed))
            record_addresses(connection, addresses)
            names = self._names.find_new(batch)
            record_names(connection, names)
        self._addresses.add(addresses)
        self._names.add(names)
        self.written_pages += 4 + 2 * appended.size // _PAGE_BYTES
        return appended.stored

    def read(self, room_id: int, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return (seq, body) of the next ``limit`` entries after a seq, oldest first."""
        with self._reading() as connection:
            found = connection.execute(_READ, {"key": room_id, "after": after, "limit": limit})
            return [(row.seq, row.body.encode()) for row in found]

    def read_hidden(self, room_id: int, first: int, last: int) -> dict[int, HiddenBody]:
        """Return the shadowed comments among the entries ``first..last``, by seq."""
        with self._reading() as connection:
            found = connection.execute(_READ_HIDDEN, {"key": room_id, "first": first, "last": last})
            return {row.seq: HiddenBody(row.user, row.body.encode()) for row in found}

    def read_acts(self, room_id: int, after: int, limit: int) -> list[bytes]:
        """Return the bodies of the next ``limit`` acts after a number, oldest first."""
        with self._reading() as connection:
            return read_acts(connection, room_id, after, limit)

    def read_filters(self, room_id: int, before: int | None = None) -> tuple[int, bytes] | None:
        """Return a room's filters, or those before an act, and the number of their act."""
        with self._reading() as connection:
            return read_filters(connection, room_id, before)

    def find_held(self, room_id: int, number: int) -> HeldRecord | None:
        """Return how the comment stands that an act has held; None if there is none."""
        with self._reading() as connection:
            return find_held(connection, room_id, number)

    def read_held(self, room_id: int) -> list[HeldRecord]:
        """Return the comments that wait, oldest first."""
        with self._reading() as connection:
            return read_held(connection, room_id)

    def read_reports(self, room_id: int) -> list[ReportedComment]:
        """Return the comments with open reports, those with most reports first."""
        with self._reading() as connection:
            return read_reports(connection, room_id)

    def find_user(self, room_id: int, user: str, limit: int) -> UserRecord | None:
        """Return what a user posted lately, ``limit`` comments at most; None if nothing."""
        with self._reading() as connection:
            return find_user(connection, room_id, user, limit)

    # --- removing texts ---------------------------------------------------------------------------

    def has_clears(self) -> bool:
        """Return whether texts of cleared comments are still to be overwritten."""
        with self._reading() as connection:
            return find_clear(connection) is not None

    def overwrite_cleared(self, limit: int) -> bool:
        """Overwrite the texts of some cleared comments; return whether there are more.

        One step looks at ``limit`` entries.
        """
        with self._reading() as connection:
            if find_clear(connection) is None:
                return False
        with self._writing() as connection:
            overwrite_cleared(connection, limit)
        self.written_pages += CHECKPOINT_PAGES // 10
        with self._reading() as connection:
            return find_clear(connection) is not None

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

    def has_old_acts(self, room_id: int, cutoff: int) -> bool:
        """Return whether acts or reports of a room are older than ``cutoff``, in Unix ms."""
        with self._reading() as connection:
            return has_old_acts(connection, room_id, cutoff) or has_old_reports(
                connection, room_id, cutoff
            )

    def trim_acts(self, room_id: int, cutoff: int) -> None:
        """Delete what moderation has stored of a room before ``cutoff``, in Unix milliseconds.

        Acts, held comments, reports, and names that staff have not used since.
        """
        with self._writing() as connection:
            trim_acts(connection, room_id, cutoff)
            trim_held(connection, room_id, cutoff)
            trim_reports(connection, room_id, cutoff)
            trim_names(connection, room_id, cutoff)
        self._names = KnownNames()

    def has_old_addresses(self, room_id: int, cutoff: int) -> bool:
        """Return whether addresses of a room were stored before ``cutoff``."""
        with self._reading() as connection:
            return has_old_addresses(connection, room_id, cutoff)

    def trim_addresses(self, room_id: int, cutoff: int, limit: int) -> None:
        """Delete the addresses of a room that were stored before ``cutoff``, ``limit`` at most."""
        with self._writing() as connection:
            trim_addresses(connection, room_id, cutoff, limit)
        self._addresses = KnownAddresses()

    def trim(self, room_id: int, last: int) -> None:
        """Delete a room's entries up to ``last``, with their refs; its head does not change."""
        with self._writing() as connection:
            connection.execute(_TRIM, {"key": room_id, "last": last})
        self.written_pages += CHECKPOINT_PAGES // 10


def _newest_time(batch: list[UnsavedEntry]) -> int:
    return max((one.at for one in batch), default=0)


def _read_record(row: Any) -> RoomRecord:
    settings = msgspec.json.decode(row.settings, type=RoomSettings)
    return RoomRecord(row.id, row.epoch, row.head, settings, row.acts)
