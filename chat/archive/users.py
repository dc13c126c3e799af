"""What a user posted in a room, in SQL."""

from __future__ import annotations

import sqlalchemy as sa

from chat.archive.removals import PRIVATE_BODY
from chat.archive.reports import count_reports
from chat.archive.schema import entries, rooms
from chat.core.moderation.users import UserRecord

SEARCHED = 20_000
"""How many of a room's newest entries are searched: there is no index by user, which every post
would have to pay for."""

_HEAD = sa.select(rooms.c.head).where(rooms.c.id == sa.bindparam("key")).scalar_subquery()
_IS_OF_USER = (
    (entries.c.room_id == sa.bindparam("key"))
    & (entries.c.seq > _HEAD - SEARCHED)
    & (entries.c.user == sa.bindparam("of_user"))
)
_FIRST_SEEN = sa.select(sa.func.min(entries.c.at)).where(_IS_OF_USER)
_NEWEST = (
    sa.select(PRIVATE_BODY.label("body"))
    .where(_IS_OF_USER)
    .order_by(entries.c.seq.desc())
    .limit(sa.bindparam("limit"))
)


def find_user(connection: sa.Connection, room_id: int, user: str, limit: int) -> UserRecord | None:
    """Return what a user posted among a room's newest entries; None if nothing."""
    values = {"key": room_id, "of_user": user}
    first_seen = connection.execute(_FIRST_SEEN, values).scalar()
    if first_seen is None:
        return None
    found = connection.execute(_NEWEST, {**values, "limit": limit}).scalars()
    reports = count_reports(connection, room_id, user)
    return UserRecord(first_seen, [body.encode() for body in found][::-1], reports)
