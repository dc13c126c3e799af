"""Writes the results into docs/capacity.md, between its markers, and draws the charts.

    python -m benchmarks.document benchmarks/results.json [DOCS]

Everything between `<!-- bench:NAME -->` and `<!-- /bench -->` is generated; the text around it is
written by hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from benchmarks.charts import CHARTS, draw_charts
from benchmarks.figures import Results, Table
from benchmarks.markdown import DOCS, replace_blocks, write_rows

VERDICT = {True: "yes", False: "**no**", None: ""}
GIGABIT = 1e9 / 8  # bytes a second


def write_documents(results: Results, docs: Path = DOCS) -> None:
    """Write the generated blocks and the charts."""
    draw_charts(results, docs / "images")
    blocks = {
        "machine": describe_run(results),
        "targets": write_targets(results),
        "sizing": write_sizing(results.find_table("growth")),
        "notes": write_notes(results),
    }
    for name in ("peers", "upgrade", "transports", "growth", "burst"):
        table = results.find_table(name)
        picture = f"![Chart of {name}](images/capacity-{name}.svg)\n\n" if name in CHARTS else ""
        blocks[name] = "Not measured.\n"
        if table:
            blocks[name] = picture + write_rows(table.columns, table.rows)
    page = docs / "capacity.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(replace_blocks(text, blocks), encoding="utf-8")


def describe_run(results: Results) -> str:
    """Return the machine, and which commit was measured when."""
    rows: list[list[object]] = [[part, what] for part, what in results.machine.items()]
    rows.append(["commit", list_by_scenario(results, "commit")])
    rows.append(["date", list_by_scenario(results, "date")])
    rows.append(["duration", f"{results.seconds / 60:.0f} minutes"])
    if results.quick:
        rows.append(["size", "**a trial run (`--quick`): the figures mean little**"])
    return write_rows(["", ""], rows)


def list_by_scenario(results: Results, attribute: str) -> str:
    """Return an attribute of the outcomes: what most have, then what others have, with names."""
    scenarios: dict[str, list[str]] = {}
    for outcome in results.outcomes:
        scenarios.setdefault(getattr(outcome, attribute), []).append(outcome.name)
    most, *others = sorted(scenarios.items(), key=lambda item: -len(item[1]))
    return "; ".join([most[0], *(f"{', '.join(names)}: {value}" for value, names in others)])


def write_targets(results: Results) -> str:
    """Return all figures that have a target, by its number."""
    rows: list[list[object]] = []
    for outcome in results.outcomes:
        mark = " (in doubt)" if results.find_doubts(outcome) else ""
        rows += [
            [
                figure.line,
                figure.what,
                figure.target,
                figure.measured + mark,
                VERDICT[figure.reached],
                figure.note,
            ]
            for figure in outcome.figures
            if figure.reached is not None
        ]
    rows.sort(key=lambda row: int(str(row[0])))
    return write_rows(["target", "what", "wanted", "measured", "reached", "note"], rows)


def write_sizing(growth: Table | None) -> str:
    """Return the share of a core, the memory and the network that a room of each size needs."""
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
    columns = ["viewers", "share of a core", "p99 ms", "memory", "network", "gigabit links"]
    return write_rows(columns, rows)


def write_notes(results: Results) -> str:
    """Return the doubts, the load tester's faults and warnings, and incomplete scenarios."""
    lines = [
        f"- {outcome.name}: {sentence}\n"
        for outcome in results.outcomes
        for sentence in [
            *results.find_doubts(outcome),
            *outcome.notes,
            *([outcome.problem] if outcome.problem else []),
        ]
    ]
    return "".join(lines) or "Nothing.\n"


if __name__ == "__main__":
    read = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Results)
    write_documents(read, *(Path(folder) for folder in sys.argv[2:3]))
