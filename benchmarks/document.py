"""Puts a run's figures into docs/capacity.md, between its markers, and draws the charts.

    python -m benchmarks.document benchmarks/results.json [DOCS]

Everything between `<!-- bench:NAME -->` and `<!-- /bench -->` is written here; the text around it
is people's.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import msgspec

from benchmarks.charts import CHARTS, draw_charts
from benchmarks.figures import Results, Table, show

DOCS = Path(__file__).resolve().parent.parent / "docs"
MARKED = re.compile(r"(<!-- bench:(\w+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
VERDICT = {True: "yes", False: "**no**", None: ""}
GIGABIT = 1e9 / 8  # bytes a second


def write_documents(results: Results, docs: Path = DOCS) -> None:
    """Write the blocks and the charts."""
    draw_charts(results, docs / "images")
    blocks = {
        "machine": describe_run(results),
        "targets": write_targets(results),
        "sizing": write_sizing(results.find_table("growth")),
        "notes": write_notes(results),
    }
    for name in ("peers", "transports", "growth", "burst"):
        table = results.find_table(name)
        picture = f"![{name}, drawn](images/capacity-{name}.svg)\n\n" if name in CHARTS else ""
        blocks[name] = "Not measured in this run.\n"
        if table:
            blocks[name] = picture + write_rows(table.columns, table.rows)
    page = docs / "capacity.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(
        MARKED.sub(lambda found: found[1] + blocks[found[2]] + found[3], text), encoding="utf-8"
    )


def write_rows(columns: list[str], rows: list[list[object]]) -> str:
    """A Markdown table; numbers stand right."""
    numeric = [all(isinstance(row[at], int | float) for row in rows) for at in range(len(columns))]
    rules = ["---:" if right else "---" for right in numeric]
    lines = [columns, rules, *([write_cell(cell) for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_cell(cell: object) -> str:
    """A cell as people read it."""
    return show(cell) if isinstance(cell, int | float) else str(cell)


def describe_run(results: Results) -> str:
    """Say what was measured on what, and when."""
    rows: list[list[object]] = [[part, what] for part, what in results.machine.items()]
    rows.append(["when", f"{results.began}, {results.seconds / 60:.0f} minutes in all"])
    if results.quick:
        rows.append(["size", "**a trial run (`--quick`): these figures mean little**"])
    return write_rows(["", ""], rows)


def write_targets(results: Results) -> str:
    """All figures with a target, by their line in the list of what was asked for."""
    judged = [figure for figure in results.figures() if figure.reached is not None]
    judged.sort(key=lambda figure: int(figure.line))
    rows: list[list[object]] = [
        [figure.line, figure.what, figure.target, figure.measured, VERDICT[figure.reached],
         figure.note]
        for figure in judged
    ]  # fmt: skip
    return write_rows(["line", "what", "target", "measured", "reached", "note"], rows)


def write_sizing(growth: Table | None) -> str:
    """What a room of each size takes of a core, of memory and of the network."""
    if growth is None:
        return "Not measured.\n"
    at = growth.columns.index
    rows: list[list[object]] = []
    for row in growth.rows:
        sent = row[0] * row[at("bytes a delivery")] * 100
        rows.append(
            [
                row[0],
                f"{row[at('share of a core')]:.0%}",
                row[at("p99 ms")],
                f"{row[at('memory MiB')]:,.0f} MiB",
                f"{sent / 1e6:,.0f} MB/s",
                f"{sent / GIGABIT:,.1f}",
            ]
        )
    columns = ["viewers", "of a core", "p99 ms", "memory", "network", "gigabit links"]
    return write_rows(columns, rows)


def write_notes(results: Results) -> str:
    """What the load tester found wrong or doubtful, and what did not come to its end."""
    lines = [
        f"- {outcome.name}: {sentence}\n"
        for outcome in results.outcomes
        for sentence in [*outcome.notes, *([outcome.problem] if outcome.problem else [])]
    ]
    return "".join(lines) or "Nothing.\n"


if __name__ == "__main__":
    read = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Results)
    write_documents(read, *(Path(folder) for folder in sys.argv[2:3]))
