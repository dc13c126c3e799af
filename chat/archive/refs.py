"""The refs of posts in SQL: under which numbers they were stored."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from chat.archive.batch import UnsavedEntry
from chat.archive.rows import unpack
from chat.archive.schema import entries

_ROOM, _USER, _REF = unpack("refs", ["room_id", "user", "ref"])
_FIND = sa.select(entries.c.room_id, entries.c.user, entries.c.ref, entries.c.seq).where(
    entries.c.room_id == _ROOM, entries.c.user == _USER, entries.c.ref == _REF
)


def find_refs(
    connection: sa.Connection, batch: Iterable[UnsavedEntry]
) -> dict[tuple[int, str, str | None], int]:
    """Return the numbers of the entries whose room, sender and ref are those of a batch."""
    keys = [(one.room_id, one.user, one.ref) for one in batch if one.ref is not None]
    if not keys:
        return {}
    found = connection.execute(_FIND, {"refs": msgspec.json.encode(keys).decode()})
    return {(row.room_id, row.user, row.ref): row.seq for row in found}
