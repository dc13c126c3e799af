"""From which address each user posted last, as hashes, in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from chat.archive.batch import UnsavedEntry
from chat.archive.rows import Row, encode_rows, insert_rows
from chat.archive.schema import keys, users

KNOWN_LIMIT = 20_000
_DAY_MS = 24 * 60 * 60 * 1_000

_RECORD = insert_rows(users, ["room_id", "user", "address", "at"]).prefix_with("OR REPLACE")
_IS_OF_ROOM = users.c.room_id == sa.bindparam("key")
_FIND = sa.select(users.c.address).where(_IS_OF_ROOM, users.c.user == sa.bindparam("whose"))
_OLD = sa.select(users.c.user).where(_IS_OF_ROOM, users.c.at < sa.bindparam("cutoff"))
_TRIM = sa.delete(users).where(_IS_OF_ROOM, users.c.user.in_(_OLD.limit(sa.bindparam("limit"))))
_SECRET = sa.select(keys.c.value).where(keys.c.name == "addresses")


class KnownAddresses:
    """Which users' addresses are stored already, so that most posts store none; bounded."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], tuple[str, int]] = {}

    def find_new(self, stored: Iterable[UnsavedEntry], at: int) -> list[Row]:
        """Return the rows to store: of users with a new address, or none stored on this day."""
        day, rows = at // _DAY_MS, {}
        for unsaved in stored:
            key = unsaved.room_id, unsaved.user
            if unsaved.address and self._known.get(key) != (unsaved.address, day):
                rows[key] = (*key, unsaved.address, at)
        return list(rows.values())

    def add(self, rows: Sequence[Row]) -> None:
        """Remember rows that were committed."""
        if len(self._known) + len(rows) > KNOWN_LIMIT:
            self._known.clear()
        for room_id, user, address, at in rows:
            self._known[room_id, user] = address, at // _DAY_MS


def record_addresses(connection: sa.Connection, rows: Sequence[Row]) -> None:
    """Store (room, user, address, time), in place of the user's earlier address."""
    if rows:
        connection.execute(_RECORD, {"rows": encode_rows(rows)})


def find_address(connection: sa.Connection, room_id: int, user: str) -> str | None:
    """Return the address from which a user posted last."""
    return connection.execute(_FIND, {"key": room_id, "whose": user}).scalar()


def has_old_addresses(connection: sa.Connection, room_id: int, cutoff: int) -> bool:
    """Return whether addresses were stored before ``cutoff``, in Unix milliseconds."""
    found = connection.execute(_OLD.limit(1), {"key": room_id, "cutoff": cutoff})
    return found.first() is not None


def trim_addresses(connection: sa.Connection, room_id: int, cutoff: int, limit: int) -> None:
    """Delete addresses that were stored before ``cutoff``, at most ``limit``."""
    connection.execute(_TRIM, {"key": room_id, "cutoff": cutoff, "limit": limit})


def read_secret(connection: sa.Connection) -> bytes:
    """Return the secret with which addresses are hashed."""
    secret: bytes = connection.execute(_SECRET).scalar_one()
    return secret
