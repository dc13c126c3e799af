"""The staff streams of rooms in SQL: acts, numbered apart from the public entries."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from chat.archive.rows import Row, encode_rows, insert_rows
from chat.archive.schema import acts, rooms
from chat.core.moderation.acts import Act, NumberedAct, number_act

_INSERT = insert_rows(acts, ["room_id", "number", "at", "body"])
_COUNTS = sa.select(rooms.c.id, rooms.c.acts).where(
    rooms.c.id.in_(sa.bindparam("ids", expanding=True))
)
_SET_COUNT = (
    sa.update(rooms).where(rooms.c.id == sa.bindparam("key")).values(acts=sa.bindparam("count"))
)
_READ = (
    sa.select(acts.c.number, acts.c.body)
    .where(acts.c.room_id == sa.bindparam("key"), acts.c.number > sa.bindparam("after"))
    .order_by(acts.c.number)
    .limit(sa.bindparam("limit"))
)
_IS_OLD = (acts.c.room_id == sa.bindparam("key")) & (acts.c.at < sa.bindparam("cutoff"))
_HAS_OLD = sa.select(sa.exists().where(_IS_OLD))
_TRIM = sa.delete(acts).where(_IS_OLD)


def store_acts(connection: sa.Connection, done: Sequence[tuple[int, Act]]) -> list[NumberedAct]:
    """Number and insert acts, each with the key of its room, in the present transaction."""
    if not done:
        return []
    found = connection.execute(_COUNTS, {"ids": list({room_id for room_id, _ in done})})
    counts: dict[int, int] = {row.id: row.acts for row in found}
    numbered: list[NumberedAct] = []
    rows: list[Row] = []
    for room_id, act in done:
        counts[room_id] += 1
        one = number_act(act, counts[room_id])
        numbered.append(one)
        rows.append((room_id, one.id, act.at, one.body.decode()))
    connection.execute(_INSERT, {"rows": encode_rows(rows)})
    connection.execute(_SET_COUNT, [{"key": key, "count": count} for key, count in counts.items()])
    return numbered


def read_acts(connection: sa.Connection, room_id: int, after: int, limit: int) -> list[bytes]:
    """Return the bodies of the next ``limit`` acts after a number, oldest first."""
    found = connection.execute(_READ, {"key": room_id, "after": after, "limit": limit})
    return [row.body.encode() for row in found]


def has_old_acts(connection: sa.Connection, room_id: int, cutoff: int) -> bool:
    """Return whether acts of a room are older than ``cutoff``, in Unix milliseconds."""
    return bool(connection.execute(_HAS_OLD, {"key": room_id, "cutoff": cutoff}).scalar())


def trim_acts(connection: sa.Connection, room_id: int, cutoff: int) -> None:
    """Delete the acts of a room that are older than ``cutoff``."""
    connection.execute(_TRIM, {"key": room_id, "cutoff": cutoff})
