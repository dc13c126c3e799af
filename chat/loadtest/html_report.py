"""One HTML page with the figures and charts of a load test: no script, nothing fetched.

`report.html` is the page; here figures become the paths and labels of its inline SVG.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from tornado.template import Loader

from chat.loadtest.console import list_tables
from chat.loadtest.report import Report, format_ms

# In units of the charts' viewBox.
FRAME = {"width": 520, "height": 206, "left": 56, "right": 510, "top": 8, "bottom": 166}
COLUMNS = 80  # of the distribution
Points = list[tuple[float, float | None]]  # None: a gap


class Chart(NamedTuple):
    """A chart as the template draws it."""

    title: str
    x_label: str
    lines: list[tuple[str, str, str]]  # name, path, path of the area below (may be empty)
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    marks: list[tuple[float, str]]


def render_report(report: Report) -> bytes:
    """Return the whole page."""
    latency = report.latency
    key_figures = [
        (f"{report.connected:,}", "viewers"),
        (f"{report.delivered:,}", "deliveries"),
        (f"{report.lost:,}", "lost"),
        (f"{format_ms(latency.p50_ms)} ms", "half are faster"),
        (f"{format_ms(latency.p99_ms)} ms", "99 % are faster"),
        (f"{report.deliveries_per_second:,.0f}", "deliveries a second"),
    ]
    if report.server:
        key_figures.append((f"{report.server.us_per_delivery:.2f} µs", "server CPU per delivery"))
    template = Loader(str(Path(__file__).parent)).load("report.html")
    values = {"key_figures": key_figures, "charts": list_charts(report)}
    return template.generate(report=report, tables=list_tables(report), **values, **FRAME)


def list_charts(report: Report) -> list[Chart]:
    """Return the charts for which there are figures."""
    ticks, loads = report.timeline, report.loads
    since, opening = (
        "seconds after the start",
        "seconds after the start; before it, viewers connect",
    )
    latencies: dict[str, Points] = {}
    for name in ("p50", "p99", "max"):
        values = [getattr(tick, f"{name}_ms") if tick.max_ms else None for tick in ticks]
        latencies[name] = [(tick.at_s, ms) for tick, ms in zip(ticks, values, strict=True)]
    length = ticks[1].at_s - ticks[0].at_s if len(ticks) > 1 else 1.0
    rates: dict[str, Points] = {}
    for name in ("delivered", "sent"):
        pairs = [(tick.at_s, getattr(tick, name) / length) for tick in ticks]
        rates[name] = [(at + side, rate) for at, rate in pairs for side in (0, length)]
    shares: dict[str, Points] = {
        "tester, busiest process": [(load.at_s, 100 * max(load.tester)) for load in loads],
        "server": [(load.at_s, 100 * load.server) for load in loads if load.server is not None],
    }
    sizes = [(load.at_s, load.server_memory_bytes) for load in loads]
    memory: Points = [(at, size / 2**20) for at, size in sizes if size]
    distribution, marks = _list_distribution(report)
    charts = [
        draw("Latency", since, latencies, " ms"),
        draw("Deliveries by latency", "ms", {"": distribution}, marks=marks, logarithmic=True),
        draw("Deliveries a second", since, {"": rates["delivered"]}, fill=True),
        draw("Posts a second", since, {"": rates["sent"]}, fill=True),
        draw("CPU, of one core", opening, shares, " %", least_top=100),
        draw("Memory of the server, resident", opening, {"": memory}, " MiB"),
    ]
    return [chart for chart in charts if chart]


def _list_distribution(report: Report) -> tuple[Points, list[tuple[float, str]]]:
    """Return how many deliveries were how late, as columns, and the percentiles to mark."""
    if not report.distribution:
        return [], []
    low, high = report.distribution[0][0], report.distribution[-1][0]
    ratio = max(high / low, 1.5) ** (1 / COLUMNS)
    # Neighbouring buckets are drawn together: a hundred columns are easier to read than a thousand.
    columns = [0] * (COLUMNS + 1)
    for end, count in report.distribution:
        columns[min(COLUMNS, int(math.log(end / low, ratio)))] += count
    points: Points = [
        (low * ratio ** (i + side), n) for i, n in enumerate(columns) for side in (0, 1)
    ]
    latency, marks = report.latency, [(0.0, "")]
    for name, ms in (("p50", latency.p50_ms), ("p99", latency.p99_ms), ("p99.9", latency.p999_ms)):
        if ms > marks[-1][0] * ratio**3:  # else the two labels would lie on each other
            marks.append((max(ms, low), f"{name} {format_ms(ms)} ms"))
    return points, marks[1:]


def draw(
    title: str,
    x_label: str,
    lines: dict[str, Points],
    unit: str = "",
    *,
    least_top: float = 0,
    logarithmic: bool = False,
    fill: bool = False,
    marks: list[tuple[float, str]] | None = None,
) -> Chart | None:
    """Draw lines through points from y = 0 up; None when there is not more than one."""
    xs = [x for points in lines.values() for x, _ in points]
    if len(set(xs)) < 2:
        return None
    low, high = min(xs), max(xs)
    headroom = 1.45 if marks else 1.1  # the labels of marks are above the line
    top = (
        headroom * max(least_top, *(y or 0 for points in lines.values() for _, y in points)) or 1.0
    )
    left, right, bottom = FRAME["left"], FRAME["right"], FRAME["bottom"]

    def place_x(x: float) -> float:
        share = math.log(x / low, high / low) if logarithmic else (x - low) / (high - low)
        return round(left + share * (right - left), 1)

    def place_y(y: float) -> float:
        return round(bottom - y / top * (bottom - FRAME["top"]), 1)

    drawn = []
    for name, points in lines.items():
        path, pen = "", "M{} {}h0"  # of no length: a point between two gaps becomes a dot
        for x, y in points:
            if y is None:
                pen = "M{} {}h0"
            else:
                path += pen.format(place_x(x), place_y(y))
                pen = "L{} {}"
        drawn.append((name, path, f"{path}V{bottom}H{left}Z" if fill or logarithmic else ""))
    x_ticks = _round_numbers(low, high)
    if logarithmic:
        powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)))
        x_ticks = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    return Chart(
        title=title,
        x_label=x_label,
        lines=drawn,
        x_ticks=[(place_x(x), f"{x:,g}") for x in x_ticks if low <= x <= high],
        y_ticks=[(place_y(y), f"{y:,g}{unit}") for y in _round_numbers(0, top)],
        marks=[(place_x(x), label) for x, label in marks or ()],
    )


def _round_numbers(low: float, high: float) -> list[float]:
    """Return some three to seven round numbers between two."""
    least = (high - low) / 7
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
