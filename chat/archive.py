"""The archive: a room's entries in SQL, numbered and kept in one transaction a batch.

Plain blocking code for a thread of its own; it knows no event loop. Numbers are given inside the
transaction that keeps the entries, so that a batch that fails leaves no hole.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Sequence
from importlib.resources import files
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.pool import StaticPool

from chat.core.comment import Comment
from chat.core.wire import encode_comment

_metadata = sa.MetaData()

_rooms = sa.Table(
    "rooms",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("head", sa.Integer, nullable=False),
)
_entries = sa.Table(
    "entries",
    _metadata,
    sa.Column("room_id", sa.Integer, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("ref", sa.Text),
    sa.Column("body", sa.Text, nullable=False),
)


class ArchiveError(Exception):
    """The archive cannot be used; the text is one sentence for the operator."""


class Numbering(msgspec.Struct, frozen=True):
    """A room in the archive: its key there, the life of its numbering, and its newest seq."""

    room_id: int
    epoch: str
    head: int


class Draft(msgspec.Struct, frozen=True):
    """A comment that waits for its number."""

    room_id: int
    comment: Comment
    ref: str | None


class Kept(msgspec.Struct, frozen=True):
    """An entry that is durable; ``dup`` when it already was, and then ``body`` is empty."""

    seq: int
    body: bytes
    dup: bool = False


def _unpack(parameter: str, columns: Sequence[str]) -> tuple[Any, list[Any]]:
    """Read rows from one JSON parameter.

    One statement for a whole batch: SQLite gives up the interpreter's lock at every statement, and
    a statement a row would fight with the event loop for it thousands of times a second.
    """
    rows = sa.func.json_each(sa.bindparam(parameter)).table_valued("value", name="rows")
    return rows, [
        sa.func.json_extract(rows.c.value, f"$[{place}]").label(name)
        for place, name in enumerate(columns)
    ]


_COLUMNS = ["room_id", "seq", "at", "kind", "user", "ref", "body"]
_INSERT = sa.insert(_entries).from_select(_COLUMNS, sa.select(*_unpack("rows", _COLUMNS)[1]))
_, (_ROOM, _USER, _REF) = _unpack("refs", ["room_id", "user", "ref"])
_FIND_REFS = sa.select(_entries.c.room_id, _entries.c.user, _entries.c.ref, _entries.c.seq).where(
    _entries.c.room_id == _ROOM, _entries.c.user == _USER, _entries.c.ref == _REF
)
_HEADS = sa.select(_rooms.c.id, _rooms.c.head).where(
    _rooms.c.id.in_(sa.bindparam("ids", expanding=True))
)
_MOVE_HEAD = (
    sa.update(_rooms).where(_rooms.c.id == sa.bindparam("key")).values(head=sa.bindparam("seq"))
)
_READ = (
    sa.select(_entries.c.seq, _entries.c.body)
    .where(_entries.c.room_id == sa.bindparam("key"), _entries.c.seq > sa.bindparam("after"))
    .order_by(_entries.c.seq)
    .limit(sa.bindparam("limit"))
)


class Archive:
    """One SQL database. ``url`` is ``sqlite:///FILE``, or ``sqlite://`` for memory only.

    Raises ArchiveError when it cannot be opened. ``append`` and ``open_room`` belong to one
    thread; ``read`` may be called from others, unless ``in_memory``.
    """

    def __init__(self, url: str) -> None:
        self.path = path = sa.make_url(url).database or None
        self.in_memory = path is None
        self._lock: int | None = None
        if path:
            self._lock = _lock_file(path)
            self._writer = sa.create_engine(url)
            self._reader = sa.create_engine(url, isolation_level="AUTOCOMMIT")
            sa.event.listen(self._reader, "connect", _configure)
        else:
            self._writer = self._reader = sa.create_engine(
                url, poolclass=StaticPool, connect_args={"check_same_thread": False}
            )
        sa.event.listen(self._writer, "connect", _configure)
        sa.event.listen(self._writer, "begin", _begin_immediately)
        try:
            self._migrate()
        except sa.exc.DBAPIError as error:
            self.close()
            raise ArchiveError(f"The database {path} cannot be used: {error.orig}.") from None
        except ArchiveError:
            self.close()
            raise

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(files("chat") / "migrations"))
        known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
        with self._writer.begin() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in known:
                raise ArchiveError(
                    "The database was written by a newer version of this program "
                    f"(schema {current}). Start that version, or another database."
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def open_room(self, name: str, new_epoch: str) -> Numbering:
        """Return the room's numbering; a room that is new here begins with ``new_epoch``."""
        with self._writer.begin() as connection:
            find = sa.select(_rooms).where(_rooms.c.name == name)
            row = connection.execute(find).one_or_none()
            if row is None:
                made = sa.insert(_rooms).values(name=name, epoch=new_epoch, head=0)
                key = connection.execute(made).inserted_primary_key
                assert key is not None
                return Numbering(key[0], new_epoch, 0)
            return Numbering(row.id, row.epoch, row.head)

    def append(self, drafts: Iterable[Draft]) -> list[Kept]:
        """Number and keep a batch, which is durable when this returns; raises SQLAlchemyError."""
        drafts = list(drafts)
        kept: list[Kept] = []
        rows: list[tuple[Any, ...]] = []
        with self._writer.begin() as connection:
            heads = {
                row.id: row.head
                for row in connection.execute(_HEADS, {"ids": list({d.room_id for d in drafts})})
            }
            before = dict(heads)
            seen = self._find_refs(connection, drafts)
            for draft in drafts:
                comment, key = draft.comment, (draft.room_id, draft.comment.user, draft.ref)
                if draft.ref is not None and key in seen:
                    kept.append(Kept(seen[key], b"", dup=True))
                    continue
                heads[draft.room_id] += 1
                seq = seen[key] = heads[draft.room_id]
                body = encode_comment(msgspec.structs.replace(comment, seq=seq))
                row = (draft.room_id, seq, comment.at, "comment", comment.user, draft.ref)
                rows.append((*row, body.decode()))
                kept.append(Kept(seq, body))
            if rows:
                connection.execute(_INSERT, {"rows": msgspec.json.encode(rows).decode()})
                moved = [
                    {"key": room, "seq": head}
                    for room, head in heads.items()
                    if head != before[room]
                ]
                connection.execute(_MOVE_HEAD, moved)
        return kept

    def _find_refs(
        self, connection: sa.Connection, drafts: list[Draft]
    ) -> dict[tuple[int, str, str | None], int]:
        keys = [(d.room_id, d.comment.user, d.ref) for d in drafts if d.ref is not None]
        if not keys:
            return {}
        found = connection.execute(_FIND_REFS, {"refs": msgspec.json.encode(keys).decode()})
        return {(row.room_id, row.user, row.ref): row.seq for row in found}

    def read(self, room_id: int, after: int, limit: int) -> list[tuple[int, bytes]]:
        """Return (seq, body) of the next ``limit`` entries after a seq, oldest first."""
        with self._reader.connect() as connection:
            found = connection.execute(_READ, {"key": room_id, "after": after, "limit": limit})
            return [(row.seq, row.body.encode()) for row in found]

    def close(self) -> None:
        """Let the database go."""
        self._writer.dispose()
        self._reader.dispose()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _configure(connection: Any, _record: Any) -> None:
    # The driver would begin transactions by itself, and late; _begin_immediately does it instead.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediately(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _lock_file(path: str) -> int:
    """Make sure that one server at a time numbers the entries of a file."""
    try:
        lock = os.open(path + ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ArchiveError(f"The database {path} cannot be used: {error.strerror}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ArchiveError(f"The database {path} is in use by another server.") from None
    return lock
