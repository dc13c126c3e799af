"""The refs of posts in SQL: what was stored under them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from chat.archive.batch import UnsavedEntry
from chat.archive.held import read_record
from chat.archive.rows import unpack
from chat.archive.schema import entries, held
from chat.core.moderation.held import HeldRecord

Key = tuple[int, str, str | None]
"""A room, a sender and the sender's ref."""

_ROOM, _USER, _REF = unpack("refs", ["room_id", "user", "ref"])
_FIND = sa.select(entries.c.room_id, entries.c.user, entries.c.ref, entries.c.seq).where(
    entries.c.room_id == _ROOM, entries.c.user == _USER, entries.c.ref == _REF
)
_ANY_HELD = sa.select(sa.exists().select_from(held))
_FIND_HELD = sa.select(held).where(
    held.c.room_id == _ROOM, held.c.user == _USER, held.c.ref == _REF
)


def find_refs(
    connection: sa.Connection, batch: Iterable[UnsavedEntry]
) -> tuple[dict[Key, int], dict[Key, HeldRecord]]:
    """Return what has the room, sender and ref of one in a batch.

    The numbers of entries, and comments that are or were held.
    """
    keys = [one.key for one in batch if one.ref is not None]
    if not keys:
        return {}, {}
    refs = {"refs": msgspec.json.encode(keys).decode()}
    seqs = {(row.room_id, row.user, row.ref): row.seq for row in connection.execute(_FIND, refs)}
    # Most databases hold nothing, and this is done for every batch.
    if not connection.execute(_ANY_HELD).scalar():
        return seqs, {}
    records = {
        (row.room_id, row.user, row.ref): read_record(row)
        for row in connection.execute(_FIND_HELD, refs)
    }
    return seqs, records
