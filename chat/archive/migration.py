"""Runs the migrations, with Alembic.

Importing Alembic takes a quarter of the time in which the server starts, and only the first start
after an update needs it. So ``schema`` imports this module only then.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def _configure(folder: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(folder))
    return config


def revisions(folder: Path) -> set[str]:
    """Return the revisions of the schema for which there are migrations."""
    script = ScriptDirectory.from_config(_configure(folder))
    return {step.revision for step in script.walk_revisions()}


def upgrade(engine: sa.Engine, folder: Path, revision: str = "head") -> None:
    """Run the migrations up to a revision, in one transaction."""
    config = _configure(folder)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
