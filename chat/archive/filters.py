"""The filters of rooms in SQL: the newest, and a few before them, to undo changes."""

from __future__ import annotations

import sqlalchemy as sa

from chat.archive.schema import filters
from chat.core.moderation.acts import FiltersAct, NumberedAct

KEPT = 6

_OF_ROOM = filters.c.room_id == sa.bindparam("key")
_INSERT = sa.insert(filters)
_OLDEST_KEPT = (
    sa.select(filters.c.number)
    .where(_OF_ROOM)
    .order_by(filters.c.number.desc())
    .limit(1)
    .offset(KEPT - 1)
    .scalar_subquery()
)
_TRIM = sa.delete(filters).where(_OF_ROOM, filters.c.number < _OLDEST_KEPT)
_FIND = sa.select(sa.func.max(filters.c.number)).where(_OF_ROOM)
_READ = (
    sa.select(filters.c.number, filters.c.body)
    .where(_OF_ROOM, filters.c.number < sa.bindparam("before"))
    .order_by(filters.c.number.desc())
    .limit(1)
)


def store_filters(
    connection: sa.Connection, room_id: int, numbered: NumberedAct, body: bytes
) -> None:
    """Store the filters of an act, in the transaction that stores the act."""
    if isinstance(numbered.act, FiltersAct):
        connection.execute(_INSERT, {"room_id": room_id, "number": numbered.id, "body": body})
        connection.execute(_TRIM, {"key": room_id})


def find_filters(connection: sa.Connection, room_id: int) -> int:
    """Return the number of the act that set a room's filters, 0 without one."""
    return connection.execute(_FIND, {"key": room_id}).scalar() or 0


def read_filters(
    connection: sa.Connection, room_id: int, before: int | None
) -> tuple[int, bytes] | None:
    """Return the number and the body of a room's filters, or of those before an act."""
    bound = 2**62 if before is None else before
    row = connection.execute(_READ, {"key": room_id, "before": bound}).one_or_none()
    return None if row is None else (row.number, row.body)
