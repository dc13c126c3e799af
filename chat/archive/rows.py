"""Rows as a parameter of an SQL statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

Row = tuple[Any, ...]


def unpack(parameter: str, columns: Sequence[str]) -> list[Any]:
    """Return SQL expressions for the columns of rows that one JSON parameter contains.

    One statement for a whole batch: the sqlite3 module releases the GIL at every statement, and
    one statement per row would compete with the event loop for it thousands of times a second.
    """
    rows = sa.func.json_each(sa.bindparam(parameter)).table_valued("value", name="rows")
    return [
        sa.func.json_extract(rows.c.value, f"$[{place}]").label(name)
        for place, name in enumerate(columns)
    ]


def insert_rows(table: sa.Table, columns: Sequence[str]) -> sa.Insert:
    """Return the statement that inserts the rows of its parameter ``rows``."""
    return sa.insert(table).from_select(columns, sa.select(*unpack("rows", columns)))


def encode_rows(rows: Sequence[Row]) -> str:
    """Return rows as the parameter of a statement."""
    return msgspec.json.encode(rows).decode()
