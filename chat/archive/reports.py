"""Reports in SQL: which comments users have reported, each reporter once for each comment.

Reports are open until a moderator dismisses them or removes the comment. Their rows stay until they
are trimmed, so that nobody reports a comment again.
"""

from __future__ import annotations

import sqlalchemy as sa

from chat.archive.removals import IS_COMMENT, find_author
from chat.archive.schema import entries, reports
from chat.core.moderation.acts import (
    Act,
    ClearAct,
    DismissAct,
    HoldAct,
    ReportAct,
    RetractAct,
)
from chat.core.moderation.reports import (
    MAX_REASONS,
    REPORTS_PER_ROOM,
    ReportCount,
    ReportedComment,
)

LISTED = 200

_OF_ROOM = reports.c.room_id == sa.bindparam("key")
_OF_COMMENT = _OF_ROOM & (reports.c.seq == sa.bindparam("which"))
_COUNT_ROOM = sa.select(sa.func.count()).select_from(reports).where(_OF_ROOM, reports.c.is_open)
_COUNT = sa.select(sa.func.count()).select_from(reports).where(_OF_COMMENT, reports.c.is_open)
_COUNT_USER = _COUNT_ROOM.where(reports.c.user == sa.bindparam("of_user"))
_IS_KNOWN = sa.select(sa.exists().where(_OF_COMMENT, reports.c.reporter == sa.bindparam("by_whom")))
_INSERT = sa.insert(reports)
_CLOSE = sa.update(reports).values(is_open=False)
_CLOSE_ONE = _CLOSE.where(_OF_COMMENT)
_CLOSE_ALL = _CLOSE.where(_OF_ROOM, reports.c.seq <= sa.bindparam("last"))
_CLOSE_USER = _CLOSE_ALL.where(reports.c.user == sa.bindparam("of_user"))
_LIST = (
    sa.select(
        reports.c.seq,
        sa.func.count().label("total"),
        sa.func.max(reports.c.at).label("last"),
        entries.c.body,
    )
    .join(entries, (entries.c.room_id == reports.c.room_id) & (entries.c.seq == reports.c.seq))
    .where(_OF_ROOM, reports.c.is_open, IS_COMMENT)
    .group_by(reports.c.seq)
    .order_by(sa.desc("total"), reports.c.seq)
    .limit(LISTED)
)
_REASONS = (
    sa.select(reports.c.reason)
    .where(_OF_COMMENT, reports.c.is_open, reports.c.reason != "")
    .group_by(reports.c.reason)
    .order_by(sa.func.count().desc(), reports.c.reason)
    .limit(MAX_REASONS)
)
_IS_OLD = _OF_ROOM & (reports.c.at < sa.bindparam("cutoff"))
_HAS_OLD = sa.select(sa.exists().where(_IS_OLD))
_TRIM = sa.delete(reports).where(_IS_OLD)


def store_report(
    connection: sa.Connection, room_id: int, act: ReportAct, reporter: str
) -> ReportCount:
    """Store a report, unless the reporter has made it before or the room has too many."""
    key = {"key": room_id, "which": act.seq}
    is_new = False
    if not connection.execute(_IS_KNOWN, {**key, "by_whom": reporter}).scalar():
        author = find_author(connection, room_id, act.seq)
        if author is None:
            return ReportCount(0, refused="gone")
        if count_reports(connection, room_id) >= REPORTS_PER_ROOM:
            return ReportCount(0, refused="full")
        row = {"room_id": room_id, "seq": act.seq, "reporter": reporter, "at": act.at}
        connection.execute(_INSERT, {**row, "user": author, "reason": act.reason, "is_open": True})
        is_new = True
    return ReportCount(connection.execute(_COUNT, key).scalar_one(), is_new)


def close_reports(connection: sa.Connection, room_id: int, act: Act | None) -> None:
    """Close what an act of a moderator answers, in the transaction that stores the act."""
    if isinstance(act, DismissAct | RetractAct) or (isinstance(act, HoldAct) and act.seq):
        connection.execute(_CLOSE_ONE, {"key": room_id, "which": act.seq})
    elif isinstance(act, ClearAct):
        whose = {"of_user": act.user} if act.user else {}
        statement = _CLOSE_USER if act.user else _CLOSE_ALL
        connection.execute(statement, {"key": room_id, "last": act.before, **whose})


def count_reports(connection: sa.Connection, room_id: int, user: str | None = None) -> int:
    """Return how many open reports a room has; with a user, only those on that user's comments."""
    if user is None:
        return connection.execute(_COUNT_ROOM, {"key": room_id}).scalar_one()
    return connection.execute(_COUNT_USER, {"key": room_id, "of_user": user}).scalar_one()


def read_reports(connection: sa.Connection, room_id: int) -> list[ReportedComment]:
    """Return the comments with open reports, at most 200, those with most reports first."""
    found = connection.execute(_LIST, {"key": room_id}).all()
    reported = []
    for row in found:
        reasons = connection.execute(_REASONS, {"key": room_id, "which": row.seq}).scalars()
        body = row.body.encode()
        reported.append(ReportedComment(row.seq, body, row.total, list(reasons), row.last))
    return reported


def has_old_reports(connection: sa.Connection, room_id: int, cutoff: int) -> bool:
    """Return whether reports of a room were made before ``cutoff``, in Unix milliseconds."""
    return bool(connection.execute(_HAS_OLD, {"key": room_id, "cutoff": cutoff}).scalar())


def trim_reports(connection: sa.Connection, room_id: int, cutoff: int) -> None:
    """Delete the reports that were made before ``cutoff``, in Unix milliseconds."""
    connection.execute(_TRIM, {"key": room_id, "cutoff": cutoff})
