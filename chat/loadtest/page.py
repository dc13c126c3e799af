"""One HTML file with the figures and charts of a load test, for light and for dark screens.

No script, nothing fetched.

Charts are drawn by matplotlib as SVG in grey and two colours that stand out on white and on black.
matplotlib is imported when a page is asked for, and at no other time.
"""

from __future__ import annotations

import io
import math
import re
from html import escape
from string import Template
from typing import TYPE_CHECKING

from chat.loadtest.display import list_tables, say_ms, say_success
from chat.loadtest.report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREY, FIRST, SECOND, THIRD = "#8a8f98", "#0e9aa7", "#e0603a", "#8b6fd6"
WIDTH, HEIGHT = 9.0, 2.9  # inches, as matplotlib counts them

PAGE = Template(
    """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Load test: $title</title>
<style>
:root { color-scheme: light dark; --ink: light-dark(#1c2026, #e8eaee);
  --dim: light-dark(#626973, #9aa1ac);
  --ground: light-dark(#f5f6f8, #14171b); --card: light-dark(#fff, #1c2026);
  --line: light-dark(#e2e5ea, #2b3038);
  --good: light-dark(#12805c, #3ecf98); --bad: light-dark(#c43d1b, #ff8a65);
  --mind: light-dark(#8a6100, #e8bd5a); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 20px 64px; }
h1 { margin: 0; font-size: 26px; letter-spacing: -.01em; }
h2 { margin: 0 0 10px; font-size: 15px; }
p.of { margin: 4px 0 22px; color: var(--dim); }
.verdict p { margin: 0 0 6px; padding: 10px 14px; border-radius: 8px; background: var(--card);
  border-left: 4px solid var(--mark); }
.good { --mark: var(--good); } .bad { --mark: var(--bad); } .mind { --mark: var(--mind); }
.heads { display: grid; gap: 12px; margin: 20px 0;
  grid-template-columns: repeat(auto-fit, minmax(128px, 1fr)); }
.heads div, section { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.heads div { padding: 14px 16px; }
.heads b { display: block; font-size: 21px; font-variant-numeric: tabular-nums;
  white-space: nowrap; letter-spacing: -.02em; }
.heads span { color: var(--dim); font-size: 13px; }
section { padding: 16px 18px; margin: 0 0 14px; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: system-ui, sans-serif !important; }
.tables { display: grid; gap: 14px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); }
.tables section { margin: 0; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
td { padding: 4px 0; border-top: 1px solid var(--line); vertical-align: top; }
td:first-child { color: var(--dim); padding-right: 16px; width: 38%; }
</style>
<main>
<h1>$headline</h1>
<p class="of">$of</p>
<div class="verdict">$verdict</div>
<div class="heads">$heads</div>
$charts
<div class="tables">$tables</div>
</main>
</html>
"""
)


def draw_page(report: Report) -> str:
    """Return the whole page."""
    options = report.options
    verdict = [("bad", sentence) for sentence in report.faults]
    verdict = verdict or [("good", say_success(report))]
    verdict += [("mind", sentence) for sentence in report.warnings]
    heads = [
        (f"{report.connected:,}", "viewers"),
        (f"{report.delivered:,}", "deliveries"),
        (f"{report.lost:,}", "lost"),
        (f"{say_ms(report.latency.p50_ms)} ms", "half are faster"),
        (f"{say_ms(report.latency.p99_ms)} ms", "99 % are faster"),
        (f"{report.deliveries_per_second:,.0f}", "deliveries a second"),
    ]
    if report.server:
        heads.append((f"{report.server.us_per_delivery:.2f} µs", "server CPU per delivery"))
    return PAGE.substitute(
        title=escape(options["url"]),
        headline=f"{report.viewers:,} viewers, {options['rate']:g} comments a second",
        of=escape(
            f"{options['url']} · {options['transport']}, {options['profile']}, "
            f"{report.seconds:g} s, {options['rooms']} room(s), {report.processes} process(es)"
        ),
        verdict="".join(f'<p class="{kind}">{escape(text)}</p>' for kind, text in verdict),
        heads="".join(
            f"<div><b>{escape(value)}</b><span>{name}</span></div>" for value, name in heads
        ),
        charts="".join(
            f"<section><h2>{title}</h2>{drawing}</section>"
            for title, drawing in draw_charts(report)
        ),
        tables="".join(draw_table(title, rows) for title, rows in list_tables(report)),
    )


def draw_table(title: str, rows: list[tuple[str, str]]) -> str:
    """Return one subject's figures as HTML."""
    cells = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows
    )
    return f"<section><h2>{escape(title)}</h2><table>{cells}</table></section>"


def draw_charts(report: Report) -> list[tuple[str, str]]:
    """Return the charts for which there are figures, each with its title."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    def draw(fill: object, *arguments: object) -> str:
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained", facecolor="none")
        FigureCanvasSVG(figure)
        fill(figure.add_subplot(facecolor="none"), *arguments)  # type: ignore[operator]
        return to_svg(figure)

    charts = []
    if report.latency.count:
        charts.append(("Latency over time", draw(draw_latency, report)))
        charts.append(("Distribution of latency", draw(draw_distribution, report)))
    if report.timeline:
        charts.append(("Throughput", draw(draw_throughput, report)))
    if report.loads:
        charts.append(("CPU, of one core", draw(draw_cpu, report)))
    if any(load.server_memory_bytes for load in report.loads):
        charts.append(("The server's memory", draw(draw_memory, report)))
    return charts


def to_svg(figure: Figure) -> str:
    """Return the drawing as an element to put into HTML, its texts as texts."""
    import matplotlib as mpl

    drawing = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "danmaku"}):
        figure.savefig(drawing, format="svg", metadata={"Date": None}, transparent=True)
    svg = drawing.getvalue()
    # Several drawings on one page: identifiers are made the drawing's own, metadata is left out.
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    own = f"d{abs(hash(svg)) % 10**8}-"
    return re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{own}", svg)


def dress(axes: Axes, below: str, beside: str) -> None:
    """Give a chart the look of all charts: grey, light, nothing that is no figure."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(colors=GREY, labelsize=9, length=0)
    axes.grid(axis="y", color=GREY, alpha=0.25, linewidth=0.6)
    axes.set_xlabel(below, color=GREY, fontsize=9)
    axes.set_ylabel(beside, color=GREY, fontsize=9)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, labelcolor=GREY, fontsize=9, ncols=3, loc="upper right")


def draw_latency(axes: Axes, report: Report) -> None:
    """Draw p50, p99 and the greatest latency of each tick; ticks without a delivery leave a gap."""
    times = [tick.at_s for tick in report.timeline]
    p50, p99, top = (
        [getattr(tick, name) if tick.max_ms else math.nan for tick in report.timeline]
        for name in ("p50_ms", "p99_ms", "max_ms")
    )
    axes.fill_between(times, p50, p99, color=FIRST, alpha=0.15)
    axes.plot(times, top, color=SECOND, linewidth=1, marker=".", markersize=3, label="max")
    axes.plot(times, p99, color=FIRST, linewidth=1.2, linestyle="--", label="p99")
    axes.plot(times, p50, color=FIRST, linewidth=2, marker=".", markersize=4, label="p50")
    axes.set_ylim(bottom=0, top=max(tick.max_ms for tick in report.timeline) * 1.25)
    axes.yaxis.set_major_formatter("{x:,g}")
    dress(axes, "seconds after the start", "ms")


def draw_distribution(axes: Axes, report: Report) -> None:
    """Draw how many deliveries were how late, on a logarithmic axis, with the percentiles."""
    from matplotlib.ticker import LogLocator, NullLocator

    ends = [end for end, _ in report.distribution]
    counts = [count for _, count in report.distribution]
    # Neighbouring buckets are drawn together: a hundred columns say more than a thousand.
    columns: dict[int, int] = {}
    low, high = ends[0], max(ends[-1], ends[0] * 1.5)
    ratio = (high / low) ** (1 / 80)
    for end, count in zip(ends, counts, strict=True):
        column = int(math.log(end / low, ratio))
        columns[column] = columns.get(column, 0) + count
    lefts = [low * ratio**column for column in columns]
    axes.bar(
        lefts,
        list(columns.values()),
        [left * (ratio - 1) * 0.92 for left in lefts],
        align="edge",
        color=FIRST,
    )
    latency, drawn = report.latency, 0.0
    for name, value in (
        ("p50", latency.p50_ms),
        ("p99", latency.p99_ms),
        ("p99.9", latency.p999_ms),
    ):
        if value < drawn * ratio**3:
            continue  # the two labels would lie on each other
        drawn = value
        axes.axvline(value, color=SECOND, linewidth=1)
        axes.text(
            value,
            0.98,
            f"{name} {say_ms(value)} ",
            transform=axes.get_xaxis_transform(),
            rotation=90,
            va="top",
            ha="right",
            color=SECOND,
            fontsize=8,
        )
    axes.set_xscale("log")
    axes.set_ylim(top=max(columns.values()) * 1.3)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter("{x:,.0f}")
    dress(axes, "ms", "deliveries")


def draw_throughput(axes: Axes, report: Report) -> None:
    """Draw deliveries and posts a second."""
    times = [tick.at_s for tick in report.timeline]
    length = times[1] - times[0] if len(times) > 1 else 1.0
    axes.fill_between(
        times,
        [tick.delivered / length for tick in report.timeline],
        color=FIRST,
        alpha=0.2,
        step="post",
    )
    axes.step(
        times,
        [tick.delivered / length for tick in report.timeline],
        color=FIRST,
        where="post",
        label="deliveries a second",
    )
    axes.set_ylim(0, axes.get_ylim()[1] * 1.2)
    axes.yaxis.set_major_formatter("{x:,.0f}")
    posts = axes.twinx()
    posts.step(
        times,
        [tick.sent / length for tick in report.timeline],
        color=THIRD,
        where="post",
        linewidth=1,
    )
    posts.set_ylim(0, posts.get_ylim()[1] * 1.2)
    dress(posts, "", "posts a second")
    posts.grid(visible=False)
    axes.plot([], [], color=THIRD, linewidth=1, label="posts a second")
    dress(axes, "seconds after the start", "deliveries a second")


def draw_cpu(axes: Axes, report: Report) -> None:
    """Draw the server's share and that of the tester's busiest process."""
    times = [load.at_s for load in report.loads]
    if any(load.server is not None for load in report.loads):
        axes.plot(
            times,
            [100 * (load.server or 0) for load in report.loads],
            color=SECOND,
            linewidth=2,
            label="server",
        )
    axes.plot(
        times,
        [100 * max(load.tester) for load in report.loads],
        color=FIRST,
        linewidth=1.2,
        label="tester, busiest process",
    )
    axes.axhline(85, color=GREY, linewidth=0.8, linestyle=":")
    axes.set_ylim(0, max(110, *(110 * (load.server or 0) for load in report.loads)))
    axes.yaxis.set_major_formatter("{x:.0f} %")
    dress(axes, "seconds after the start; before it, viewers come in", "")


def draw_memory(axes: Axes, report: Report) -> None:
    """Draw the server's resident memory."""
    loads = [load for load in report.loads if load.server_memory_bytes]
    axes.plot(
        [load.at_s for load in loads],
        [(load.server_memory_bytes or 0) / 2**20 for load in loads],
        color=THIRD,
        linewidth=2,
    )
    axes.set_ylim(bottom=0)
    dress(axes, "seconds after the start; before it, viewers come in", "MiB")
