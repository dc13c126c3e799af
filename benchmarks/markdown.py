"""The generated parts of the documents: blocks between markers, and tables."""

from __future__ import annotations

import re
from pathlib import Path

from benchmarks.figures import show

DOCS = Path(__file__).resolve().parent.parent / "docs"
MARKED = re.compile(r"(<!-- bench:(\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def replace_blocks(text: str, blocks: dict[str, str]) -> str:
    """Return a document with its generated blocks replaced."""
    return MARKED.sub(lambda found: found[1] + blocks[found[2]] + found[3], text)


def write_rows(columns: list[str], rows: list[list[object]]) -> str:
    """Return a Markdown table; columns of numbers are aligned right."""
    numeric = [all(isinstance(row[at], int | float) for row in rows) for at in range(len(columns))]
    rules = ["---:" if right else "---" for right in numeric]
    lines = [columns, rules, *([write_cell(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_cell(cell: object) -> str:
    """Return a cell as text."""
    return show(cell) if isinstance(cell, int | float) else str(cell)
