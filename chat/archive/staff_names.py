"""The names that staff of a room use, in SQL: of those who post or act."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from chat.archive.batch import UnsavedEntry
from chat.archive.rows import Row, encode_rows, insert_rows
from chat.archive.schema import staff_names
from chat.core.comment import Comment
from chat.core.moderation.acts import ReportAct
from chat.core.moderation.staff_names import STAFF_NAMES, StaffName

KNOWN_LIMIT = 10_000
_DAY_MS = 24 * 60 * 60 * 1_000

_IS_OF_ROOM = staff_names.c.room_id == sa.bindparam("key")
_RECORD = insert_rows(staff_names, ["room_id", "user", "name", "at"]).prefix_with("OR REPLACE")
_READ = (
    sa.select(staff_names.c.user, staff_names.c.name)
    .where(_IS_OF_ROOM)
    .order_by(staff_names.c.at.desc())
    .limit(STAFF_NAMES)
)
_TRIM = sa.delete(staff_names).where(_IS_OF_ROOM, staff_names.c.at < sa.bindparam("cutoff"))


class KnownNames:
    """Which names are stored already, so that most acts and comments store none; bounded."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, str], int] = {}

    def find_new(self, batch: Iterable[UnsavedEntry]) -> list[Row]:
        """Return the rows to store: names that are new, or not stored on this day."""
        rows: dict[tuple[int, str, str], int] = {}
        for unsaved in batch:
            entry, act = unsaved.entry, unsaved.act
            if isinstance(entry, Comment):
                if not entry.role.is_staff:
                    continue
                key = unsaved.room_id, entry.user, entry.name
            elif act is not None and act.by and not isinstance(act, ReportAct):
                key = unsaved.room_id, act.by, act.by_name
            else:
                continue
            if self._known.get(key) != unsaved.at // _DAY_MS:
                rows[key] = unsaved.at
        return [(*key, at) for key, at in rows.items()]

    def add(self, rows: Sequence[Row]) -> None:
        """Remember rows that were committed."""
        if len(self._known) + len(rows) > KNOWN_LIMIT:
            self._known.clear()
        for room_id, user, name, at in rows:
            self._known[room_id, user, name] = at // _DAY_MS


def record_names(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store (room, user, name, time)."""
    if rows:
        connection.execute(_RECORD, {"rows": encode_rows(rows)})


def read_names(connection: sa.Connection, room_id: int) -> list[StaffName]:
    """Return the names that staff of a room have used lately, oldest first."""
    found = connection.execute(_READ, {"key": room_id}).all()
    return [StaffName(row.user, row.name) for row in reversed(found)]


def trim_names(connection: sa.Connection, room_id: int, cutoff: int) -> None:
    """Forget the names that were last used before ``cutoff``, in Unix milliseconds."""
    connection.execute(_TRIM, {"key": room_id, "cutoff": cutoff})
