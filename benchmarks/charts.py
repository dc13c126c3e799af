"""The charts of docs/capacity.md, as SVG by matplotlib. The same results draw the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from benchmarks.figures import Results, Table, show

OURS, OTHERS, SECOND = "#1f6feb", "#93a1b1", "#e3a008"
STYLE = {
    "svg.hashsalt": "danmaku",
    "svg.fonttype": "path",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dfe4ea",
}


def draw_charts(results: Results, folder: Path) -> list[Path]:
    """Draw a chart of each table that was measured, and return the files."""
    drawn = []
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in CHARTS.items():
        table = results.find_table(name)
        if table is None:
            continue
        with matplotlib.rc_context(STYLE):
            canvas = draw(table)
            file = folder / f"capacity-{name}.svg"
            canvas.savefig(file, bbox_inches="tight", metadata={"Date": None})
            pyplot.close(canvas)
        drawn.append(file)
    return drawn


def draw_peers(table: Table) -> Canvas:
    """Draw the cost of a write, a bar for each server, the cheapest at the top."""
    canvas, axes = pyplot.subplots(figsize=(7, 2.8))
    rows = sorted(table.rows, key=lambda row: -row[1])
    colors = [OURS if row[0] == "danmaku" else OTHERS for row in rows]
    bars = axes.barh([row[0] for row in rows], [row[1] for row in rows], color=colors)
    axes.bar_label(bars, [show(row[1]) for row in rows], padding=4)
    axes.set_xlabel("µs of the server's CPU for one comment to one viewer")
    axes.grid(visible=False, axis="y")
    return canvas


def draw_transports(table: Table) -> Canvas:
    """Draw the cost of a delivery and its latency for each transport."""
    canvas, (left, right) = pyplot.subplots(1, 2, figsize=(7, 2.6), sharey=True)
    rows = table.rows[::-1]
    names = [row[0] for row in rows]
    colors = [OURS if name == "websocket" else OTHERS for name in names]
    for axes, column, label in (
        (left, "µs a delivery", "µs of CPU a delivery"),
        (right, "p99 ms", "p99 latency, ms"),
    ):
        values = [row[table.columns.index(column)] for row in rows]
        bars = axes.barh(names, values, color=colors)
        axes.bar_label(bars, [show(value) for value in values], padding=4)
        axes.set_xscale("log")
        axes.set_xlim(1, max(values) * 5)
        axes.set_xlabel(label)
        axes.grid(visible=False, axis="y")
    return canvas


def draw_growth(table: Table) -> Canvas:
    """Draw cost and latency over the number of viewers."""
    canvas, (left, right) = pyplot.subplots(1, 2, figsize=(7, 2.8))
    viewers = [row[0] for row in table.rows]

    def column(name: str) -> list[Any]:
        at = table.columns.index(name)
        return [row[at] for row in table.rows]

    left.plot(viewers, column("µs a delivery"), "o-", color=OURS)
    left.set_ylabel("µs of CPU a delivery")
    right.plot(viewers, column("p99 ms"), "o-", color=OURS, label="p99")
    right.plot(viewers, column("p50 ms"), "o-", color=SECOND, label="p50")
    right.set_ylabel("latency, ms")
    right.legend(frameon=False)
    for axes in (left, right):
        finish_axes(axes)
    canvas.tight_layout()
    return canvas


def finish_axes(axes: Axes) -> None:
    """Start both axes at zero, and label the horizontal one."""
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("viewers")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


CHARTS = {"peers": draw_peers, "transports": draw_transports, "growth": draw_growth}
