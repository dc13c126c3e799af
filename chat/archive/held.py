"""Held comments in SQL: each is a row beside the act that held it, until it is trimmed.

The text is removed from the row when the comment is decided. The first decision counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from chat.archive.batch import UnsavedEntry
from chat.archive.schema import held
from chat.core.moderation.acts import ClearAct, DecideAct, HoldAct, NumberedAct

_OF_ROOM = held.c.room_id == sa.bindparam("key")
_IS_OPEN = held.c.decision.is_(None)
_INSERT = sa.insert(held)
_FIND = sa.select(held).where(_OF_ROOM, held.c.number == sa.bindparam("which"))
_DECIDE = (
    sa.update(held)
    .where(_OF_ROOM, _IS_OPEN, held.c.number == sa.bindparam("which"))
    .values(body="", decision=sa.bindparam("result"), seq=sa.bindparam("place"))
)
_CLEAR = sa.update(held).where(_OF_ROOM, _IS_OPEN).values(body="", decision="cleared")
_CLEAR_USER = _CLEAR.where(held.c.user == sa.bindparam("whose"))
_READ = sa.select(held.c.number, held.c.body).where(_OF_ROOM, _IS_OPEN).order_by(held.c.number)
_TRIM = sa.delete(held).where(_OF_ROOM, held.c.at < sa.bindparam("cutoff"))


class HeldRecord(msgspec.Struct, frozen=True):
    """How a held comment stands.

    ``decision``: ``approved``, ``rejected`` or ``cleared``; None while it waits. ``seq`` is the
    approved comment's.
    """

    decision: str | None
    seq: int | None


def find_held(connection: sa.Connection, room_id: int, number: int) -> HeldRecord | None:
    """Return how the comment stands that an act has held; None if there is none."""
    row = connection.execute(_FIND, {"key": room_id, "which": number}).one_or_none()
    return None if row is None else HeldRecord(row.decision, row.seq)


def find_late(connection: sa.Connection, batch: Sequence[UnsavedEntry]) -> set[int]:
    """Return the places in a batch of decisions on what is decided already, or not held.

    Also of those that follow another decision or a clear in the same batch.
    """
    late: set[int] = set()
    decided: set[tuple[int, int]] = set()
    for place, unsaved in enumerate(batch):
        if (act := unsaved.act) is None:
            continue
        if isinstance(act, DecideAct):
            key = unsaved.room_id, act.held
            found = find_held(connection, *key)
            if key in decided or found is None or found.decision is not None:
                late.add(place)
            decided.add(key)
        elif isinstance(act, ClearAct):
            decided.update(
                (other.room_id, other.act.held)
                for other in batch[place:]
                if isinstance(other.act, DecideAct)
                and other.room_id == unsaved.room_id
                and act.user in ("", other.act.user)
            )
    return late


def store_held(
    connection: sa.Connection, numbered: NumberedAct, unsaved: UnsavedEntry, seq: int
) -> None:
    """Apply an act to the held comments, in the transaction that stores the act."""
    act, room_id = numbered.act, unsaved.room_id
    if isinstance(act, HoldAct):
        row = {"room_id": room_id, "number": act.id, "at": act.at, "user": act.user}
        body = unsaved.payload.decode()
        connection.execute(_INSERT, {**row, "ref": unsaved.ref, "body": body})
    elif isinstance(act, DecideAct):
        result, place = ("approved", seq) if act.approved else ("rejected", None)
        values = {"key": room_id, "which": act.held, "result": result, "place": place}
        connection.execute(_DECIDE, values)
    elif isinstance(act, ClearAct):
        if act.user:
            connection.execute(_CLEAR_USER, {"key": room_id, "whose": act.user})
        else:
            connection.execute(_CLEAR, {"key": room_id})


def read_held(connection: sa.Connection, room_id: int) -> list[tuple[int, bytes]]:
    """Return the number and the body of the comments that wait, oldest first."""
    found = connection.execute(_READ, {"key": room_id})
    return [(row.number, row.body.encode()) for row in found]


def trim_held(connection: sa.Connection, room_id: int, cutoff: int) -> None:
    """Delete what was held before ``cutoff``, in Unix milliseconds."""
    connection.execute(_TRIM, {"key": room_id, "cutoff": cutoff})
