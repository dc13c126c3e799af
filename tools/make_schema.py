"""Write what the migrations make to chat/migrations/schema.sql; new databases are created from it.

    .venv/bin/python tools/make_schema.py

Run it after adding a migration. A test compares the two.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chat.archive.migration import upgrade
from chat.archive.schema import MIGRATIONS


def make_schema() -> str:
    """Return the statements that make an empty database one of the newest schema."""
    engine = sa.create_engine("sqlite://")
    upgrade(engine, MIGRATIONS)
    with engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        statements = [re.sub(r" *\n", "\n", sql).strip() for sql in found.scalars()]
        revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    statements.append("INSERT INTO keys VALUES ('addresses', randomblob(32))")
    statements.append(f"INSERT INTO alembic_version VALUES ('{revision}')")
    return "".join(f"{statement};\n" for statement in statements)


if __name__ == "__main__":
    (MIGRATIONS / "schema.sql").write_text(make_schema())
