"""The archive's tables, and the steps that bring an older database there.

A database that exists is copied before it is changed; one of a newer version is left alone.
"""

from __future__ import annotations

import logging
from importlib.resources import files

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from chat.archive.file import ArchiveError, copy_database

MIGRATIONS = str(files("chat") / "migrations")

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


def migrate(engine: sa.Engine, path: str | None) -> None:
    """Bring a database to the newest schema; ``path`` is its file's. Raises ArchiveError."""
    config = Config()
    config.set_main_option("script_location", MIGRATIONS)
    script = ScriptDirectory.from_config(config)
    newest = script.get_current_head()
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        connection.rollback()
    if current == newest:
        return
    if current is not None:
        if current not in {step.revision for step in script.walk_revisions()}:
            raise ArchiveError(
                "The database was written by a newer version of this program "
                f"(schema {current}). Use that version, or another database."
            )
        if path is not None:
            copy = f"{path}.before-{newest}"
            copy_database(path, copy, replace=True)
            _log.info("the database was copied to %s before it was changed", copy)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
