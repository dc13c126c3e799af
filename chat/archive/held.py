"""Held comments in SQL: each is a row beside the act that held it, until it is trimmed.

The text is removed from the row when the comment is decided. The first decision counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from chat.archive.batch import UnsavedEntry
from chat.archive.removals import find_author
from chat.archive.schema import held
from chat.core.moderation.acts import ClearAct, DecideAct, HoldAct, NumberedAct
from chat.core.moderation.held import HELD_LIMIT, Decision, HeldKey, HeldRecord
from chat.core.retraction import Clear, ClearUser

_OF_ROOM = held.c.room_id == sa.bindparam("key")
_IS_OPEN = held.c.decision.is_(None)
_INSERT = sa.insert(held)
_FIND = sa.select(held).where(_OF_ROOM, held.c.number == sa.bindparam("which"))
_DECIDE = (
    sa.update(held)
    .where(_OF_ROOM, _IS_OPEN, held.c.number == sa.bindparam("which"))
    .values(body="", decision=sa.bindparam("result"), seq=sa.bindparam("place"))
)
_CLEAR = sa.update(held).where(_OF_ROOM, _IS_OPEN).values(body="", decision=Decision.CLEARED)
_CLEAR_USER = _CLEAR.where(held.c.user == sa.bindparam("whose"))
_READ = sa.select(held).where(_OF_ROOM, _IS_OPEN).order_by(held.c.number)
# Many processes may each have added some more than the limit.
_KEYS = (
    sa.select(held.c.number, held.c.user, held.c.ref)
    .where(_OF_ROOM, _IS_OPEN)
    .order_by(held.c.number)
    .limit(2 * HELD_LIMIT)
)
_TRIM = sa.delete(held).where(_OF_ROOM, held.c.at < sa.bindparam("cutoff"))


def read_record(row: Any) -> HeldRecord:
    """Return how the comment of a row stands."""
    decision = None if row.decision is None else Decision(row.decision)
    return HeldRecord(row.number, decision, row.seq, row.body.encode())


def find_held(connection: sa.Connection, room_id: int, number: int) -> HeldRecord | None:
    """Return how the comment stands that an act has held; None if there is none."""
    row = connection.execute(_FIND, {"key": room_id, "which": number}).one_or_none()
    return None if row is None else read_record(row)


def find_late(connection: sa.Connection, batch: Sequence[UnsavedEntry]) -> set[int]:
    """Return the places in a batch of decisions on what is decided already, or not held.

    Also of those that follow another decision or a clear in the same batch, and of holds of
    reported comments that cannot be read any more.
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
        elif isinstance(act, HoldAct) and act.seq:
            removals = (one for one in batch[:place] if one.room_id == unsaved.room_id)
            is_removed = any(isinstance(one.entry, Clear | ClearUser) for one in removals)
            if is_removed or find_author(connection, unsaved.room_id, act.seq) is None:
                late.add(place)
        elif isinstance(act, ClearAct):
            decided.update(
                (other.room_id, other.act.held)
                for other in batch[place:]
                if isinstance(other.act, DecideAct)
                and other.room_id == unsaved.room_id
                and act.user in ("", other.act.user)
            )
    return late


def store_held(connection: sa.Connection, numbered: NumberedAct, unsaved: UnsavedEntry) -> None:
    """Apply an act to the held comments, in the transaction that stores the act."""
    act, room_id = numbered.act, unsaved.room_id
    if isinstance(act, HoldAct):
        row = {"room_id": room_id, "number": act.id, "at": act.at, "user": act.user}
        body = unsaved.payload.decode()
        connection.execute(_INSERT, {**row, "ref": act.ref, "body": body})
    elif isinstance(act, DecideAct):
        approved = act.approved
        values = {
            "key": room_id,
            "which": act.held,
            "result": Decision.APPROVED if approved else Decision.REJECTED,
            "place": act.seq if approved else None,
        }
        connection.execute(_DECIDE, values)
    elif isinstance(act, ClearAct):
        if act.user:
            connection.execute(_CLEAR_USER, {"key": room_id, "whose": act.user})
        else:
            connection.execute(_CLEAR, {"key": room_id})


def read_held(connection: sa.Connection, room_id: int) -> list[HeldRecord]:
    """Return the comments that wait, oldest first."""
    return [read_record(row) for row in connection.execute(_READ, {"key": room_id})]


def read_held_keys(connection: sa.Connection, room_id: int) -> list[HeldKey]:
    """Return which comments wait, oldest first."""
    found = connection.execute(_KEYS, {"key": room_id})
    return [HeldKey(row.number, row.user, row.ref) for row in found]


def trim_held(connection: sa.Connection, room_id: int, cutoff: int) -> None:
    """Delete what was held before ``cutoff``, in Unix milliseconds."""
    connection.execute(_TRIM, {"key": room_id, "cutoff": cutoff})
