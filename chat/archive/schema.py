"""The archive's tables, and how a database gets them.

A new database is created from ``chat/migrations/schema.sql``, which is what the migrations make. An
older one is copied, then migrated; one of a newer version is left alone.
"""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa

from chat.archive.file import ArchiveError, copy_database

MIGRATIONS = Path(__file__).resolve().parents[1] / "migrations"

_log = logging.getLogger(__name__)
_metadata = sa.MetaData()

rooms = sa.Table(
    "rooms",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("epoch", sa.Text, nullable=False),
    sa.Column("head", sa.Integer, nullable=False),
    sa.Column("settings", sa.Text, nullable=False),
    sa.Column("acts", sa.Integer, nullable=False),
)
entries = sa.Table(
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
acts = sa.Table(
    "acts",
    _metadata,
    sa.Column("room_id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)
# Clears whose texts are not all overwritten: those of the comments up to ``done`` are.
clears = sa.Table(
    "clears",
    _metadata,
    sa.Column("room_id", sa.Integer, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("before", sa.Integer, nullable=False),
    sa.Column("user", sa.Text),
    sa.Column("done", sa.Integer, nullable=False),
)
sanctions = sa.Table(
    "sanctions",
    _metadata,
    sa.Column("room_id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("until", sa.BigInteger),
    sa.Column("body", sa.Text, nullable=False),
)
# The newest filters of rooms, each under the number of the act that set them.
filters = sa.Table(
    "filters",
    _metadata,
    sa.Column("room_id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)
# Comments that wait for a moderator; without a text once they are decided.
held = sa.Table(
    "held",
    _metadata,
    sa.Column("room_id", sa.Integer, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("ref", sa.Text),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("decision", sa.Text),
    sa.Column("seq", sa.Integer),
)
# Who reported which comment; each reporter once.
reports = sa.Table(
    "reports",
    _metadata,
    sa.Column("room_id", sa.Integer, primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("reporter", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("user", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("is_open", sa.Boolean, nullable=False),
)
# Which names staff use.
staff_names = sa.Table(
    "staff_names",
    _metadata,
    sa.Column("room_id", sa.Integer, primary_key=True),
    sa.Column("user", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("at", sa.BigInteger, nullable=False),
)
# From which address, as a hash, users posted last.
users = sa.Table(
    "users",
    _metadata,
    sa.Column("room_id", sa.Integer, primary_key=True),
    sa.Column("user", sa.Text, primary_key=True),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
)
keys = sa.Table(
    "keys",
    _metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
)


def migrate(engine: sa.Engine, path: str | None) -> None:
    """Bring a database to the newest schema; ``path`` is its file's. Raises ArchiveError."""
    newest = max(file.name for file in MIGRATIONS.glob("versions/[0-9]*.py")).partition("_")[0]
    with engine.begin() as connection:
        current = _read_revision(connection)
        if current is None and not sa.inspect(connection).get_table_names():
            for statement in (MIGRATIONS / "schema.sql").read_text().strip().split(";\n"):
                connection.exec_driver_sql(statement)
            current = _read_revision(connection)
    if current == newest:
        return
    # Only here, because it imports Alembic.
    from chat.archive import migration

    if current is not None:
        if current not in migration.revisions(MIGRATIONS):
            raise ArchiveError(
                "The database was written by a newer version of this program "
                f"(schema {current}). Use that version, or another database."
            )
        if path is not None:
            copy = f"{path}.before-{newest}"
            copy_database(path, copy, replace=True)
            _log.info("the database was copied to %s before it was changed", copy)
    migration.upgrade(engine, MIGRATIONS)


def _read_revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
