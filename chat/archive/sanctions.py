"""The sanctions in force in SQL: the acts that began them."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from chat.archive.schema import sanctions
from chat.core.moderation.acts import LiftAct, NumberedAct, SanctionAct

_OF_ROOM = sanctions.c.room_id == sa.bindparam("key")
_INSERT = sa.insert(sanctions)
_REPLACE = sa.delete(sanctions).where(
    _OF_ROOM,
    sanctions.c.user == sa.bindparam("whose"),
    sanctions.c.kind == sa.bindparam("which"),
)
_EXPIRE = sa.delete(sanctions).where(_OF_ROOM, sanctions.c.until <= sa.bindparam("at"))
_LIFT = sa.delete(sanctions).where(_OF_ROOM, sanctions.c.number == sa.bindparam("lifted"))
_READ = sa.select(sanctions.c.body).where(_OF_ROOM).order_by(sanctions.c.number)


def store_sanctions(connection: sa.Connection, acts: Sequence[tuple[int, NumberedAct]]) -> None:
    """Apply acts, each with the key of its room, in the transaction that stores them."""
    for room_id, numbered in acts:
        act = numbered.act
        if isinstance(act, LiftAct):
            connection.execute(_LIFT, {"key": room_id, "lifted": act.lifted})
        elif isinstance(act, SanctionAct):
            replaced = {"whose": act.user, "which": act.sanction.value}
            connection.execute(_REPLACE, {"key": room_id, **replaced})
            connection.execute(_EXPIRE, {"key": room_id, "at": act.at})
            row = {
                "room_id": room_id,
                "number": act.id,
                "user": act.user,
                "kind": act.sanction.value,
                "until": act.until,
                "body": numbered.body.decode(),
            }
            connection.execute(_INSERT, row)


def read_sanctions(connection: sa.Connection, room_id: int) -> list[bytes]:
    """Return the bodies of the acts that began a room's sanctions, oldest first."""
    return [body.encode() for body in connection.execute(_READ, {"key": room_id}).scalars()]
