"""Removals in SQL: which comments are removed, and how their texts are overwritten.

A retraction overwrites its comment at once. A clear may remove many: reading skips their texts from
its commit on, and they are overwritten in steps, between which other transactions run.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from chat.archive.batch import UnsavedEntry
from chat.archive.schema import clears, entries
from chat.core.retraction import Clear, ClearUser, Retraction

_IS_CLEARED = (
    (clears.c.room_id == entries.c.room_id)
    & (entries.c.seq <= clears.c.before)
    & (clears.c.user.is_(None) | (clears.c.user == entries.c.user))
)
# The same as ``encode_retracted`` returns.
_PLACEHOLDER = sa.literal('{"kind":"retracted","seq":') + sa.cast(entries.c.seq, sa.Text) + "}"
# No IN: SQLAlchemy cannot expand it in a statement for several retractions.
_HAS_TEXT = (entries.c.kind == "comment") | (entries.c.kind == "shadow")
VISIBLE_BODY = sa.case(
    (entries.c.kind == "shadow", _PLACEHOLDER),
    ((entries.c.kind == "comment") & sa.exists().where(_IS_CLEARED), _PLACEHOLDER),
    else_=entries.c.body,
)
"""The body of an entry; for a comment that was cleared, or is shadowed, its placeholder."""
PRIVATE_BODY = sa.case(
    (_HAS_TEXT & sa.exists().where(_IS_CLEARED), _PLACEHOLDER), else_=entries.c.body
)
"""The body of an entry for moderators: shadowed comments are readable."""
IS_HIDDEN = (entries.c.kind == "shadow") & ~sa.exists().where(_IS_CLEARED)
"""Whether an entry is a shadowed comment that was not removed."""

IS_COMMENT = (entries.c.kind == "comment") & ~sa.exists().where(_IS_CLEARED)
"""Whether an entry is a comment that can be read."""

_AUTHOR = sa.select(entries.c.user).where(
    entries.c.room_id == sa.bindparam("key"), entries.c.seq == sa.bindparam("target"), IS_COMMENT
)
_OVERWRITE = sa.update(entries).where(_HAS_TEXT)
_OVERWRITE = _OVERWRITE.values(kind="retracted", body=_PLACEHOLDER)
_RETRACT = _OVERWRITE.where(
    entries.c.room_id == sa.bindparam("key"), entries.c.seq == sa.bindparam("target")
)
_FIRST = sa.select(sa.func.min(entries.c.seq)).where(entries.c.room_id == sa.bindparam("key"))
_ADD_CLEAR = sa.insert(clears).values(
    room_id=sa.bindparam("key"),
    seq=sa.bindparam("number"),
    before=sa.bindparam("last"),
    user=sa.bindparam("of_user"),
    done=sa.func.coalesce(_FIRST.scalar_subquery(), 1) - 1,
)
_NEXT_CLEAR = sa.select(clears).order_by(clears.c.room_id, clears.c.seq).limit(1)


def store_removals(connection: sa.Connection, stored: Sequence[tuple[UnsavedEntry, int]]) -> None:
    """Apply the removals among entries that were just numbered, in the same transaction."""
    targets = [
        {"key": unsaved.room_id, "target": unsaved.entry.target}
        for unsaved, _ in stored
        if isinstance(unsaved.entry, Retraction)
    ]
    if targets:
        connection.execute(_RETRACT, targets)
    for unsaved, seq in stored:
        if isinstance(entry := unsaved.entry, Clear | ClearUser):
            user = entry.user if isinstance(entry, ClearUser) else None
            connection.execute(
                _ADD_CLEAR,
                {"key": unsaved.room_id, "number": seq, "last": entry.before, "of_user": user},
            )


def find_author(connection: sa.Connection, room_id: int, seq: int) -> str | None:
    """Return who posted a comment; None if there is none that can be read."""
    return connection.execute(_AUTHOR, {"key": room_id, "target": seq}).scalar()


def find_clear(connection: sa.Connection) -> sa.Row[tuple[int, int, int, str | None, int]] | None:
    """Return the first clear whose texts are still to be overwritten."""
    return connection.execute(_NEXT_CLEAR).one_or_none()


def overwrite_cleared(connection: sa.Connection, limit: int) -> None:
    """Overwrite the texts that one clear has removed among its next ``limit`` entries."""
    clear = find_clear(connection)
    if clear is None:
        return
    last = min(clear.before, clear.done + limit)
    is_next = (entries.c.room_id == clear.room_id) & entries.c.seq.between(clear.done + 1, last)
    overwrite = _OVERWRITE.where(is_next)
    if clear.user is not None:
        overwrite = overwrite.where(entries.c.user == clear.user)
    connection.execute(overwrite)
    is_this = (clears.c.room_id == clear.room_id) & (clears.c.seq == clear.seq)
    if last >= clear.before:
        connection.execute(sa.delete(clears).where(is_this))
    else:
        connection.execute(sa.update(clears).where(is_this).values(done=last))
