"""What a person at a terminal sees: a bar and live figures while it runs, tables at the end.

When the output is no terminal, only announcements and the tables appear.
"""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from chat.loadtest import exchange
from chat.loadtest.options import Options
from chat.loadtest.report import Latency, Load, Report

Rows = list[tuple[str, str]]


class Display:
    """Watches one test run. Use as a context manager, so that the terminal is left as it was."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bar = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self.live = Live(self.bar, console=console, refresh_per_second=5, transient=True)
        self.task: TaskID | None = None
        self.phase = ""

    def __enter__(self) -> Display:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *problem: object) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def announce(self, sentence: str) -> None:
        """Print a sentence that matters before the test starts."""
        self.console.print(Text(f"! {sentence}", style="yellow"))

    def enter(self, phase: str, total: float) -> TaskID:
        """Return the bar of a phase, a new one when the phase is new."""
        if self.phase != phase or self.task is None:
            if self.task is not None:
                self.bar.remove_task(self.task)
            self.task = self.bar.add_task(phase, total=total, note="")
            self.phase = phase
        return self.task

    def show_opening(self, options: Options, opened: int, failed: int) -> None:
        """Move the bar while viewers come in."""
        task = self.enter("opening", options.viewers)
        self.bar.update(task, completed=opened, note=f"{failed:,} failed" if failed else "viewers")

    def show_running(
        self,
        options: Options,
        phase: str,
        seconds: float,
        progress: list[exchange.Progress],
        load: Load,
    ) -> None:
        """Show the live figures under the bar."""
        task = self.enter(phase, round(options.duration))
        self.bar.update(
            task, completed=min(round(options.duration), max(0, int(seconds))), note="seconds"
        )
        self.live.update(Group(self.bar, draw_figures(progress, load)))


def draw_figures(progress: list[exchange.Progress], load: Load) -> Table:
    """The live figures, in one line of columns."""
    delivered = sum(one.delivered for one in progress)
    sent, answered = sum(one.sent for one in progress), sum(one.answered for one in progress)
    columns = {
        "viewers": f"{sum(one.opened - one.left for one in progress):,}",
        "posted": f"{sent:,}",
        "unanswered": f"{sent - answered:,}",
        "delivered": f"{delivered:,}",
        "lost so far": f"{sum(one.lost for one in progress):,}",
        "p50": f"{max(one.p50 for one in progress) / 1e6:.1f} ms",
        "p99": f"{max(one.p99 for one in progress) / 1e6:.1f} ms",
        "tester": " ".join(f"{share:.0%}" for share in load.tester),
        "server": "?" if load.server is None else f"{load.server:.0%}",
    }
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(
            name,
            justify="right",
            style="bold" if name in ("delivered", "p99") else "",
            header_style="dim",
        )
    table.add_row(*columns.values())
    return table


def print_report(console: Console, report: Report) -> None:
    """The figures in four tables, then what is wrong and what to mind."""
    for title, rows in list_tables(report):
        table = Table(
            title=title,
            title_justify="left",
            title_style="bold",
            box=None,
            show_header=False,
            pad_edge=False,
        )
        table.add_column(style="dim", min_width=22)
        table.add_column()
        for name, value in rows:
            table.add_row(name, value)
        console.print(table)
        console.print()
    for sentence in report.warnings:
        console.print(Text(f"! {sentence}", style="yellow"))
    for sentence in report.faults:
        console.print(Text(f"✗ {sentence}", style="bold red"))
    if not report.faults:
        console.print(Text(say_success(report), style="bold green"))


def say_success(report: Report) -> str:
    """Return the sentence for a test without a fault."""
    if not report.expected:
        return f"✓ All {report.connected:,} viewers came in and stayed."
    return f"✓ All of {report.expected:,} expected deliveries are accounted for, in order."


def list_tables(report: Report) -> list[tuple[str, Rows]]:
    """All figures by subject, as text; the HTML page shows the same."""
    return [
        ("Delivery", list_delivery(report)),
        ("Latency, from due to received", list_latency(report)),
        ("Connections", list_connections(report)),
        ("Cost", list_cost(report)),
    ]


def list_delivery(report: Report) -> Rows:
    """What was posted, and what came of it."""
    rows = [
        ("posted", f"{report.sent:,} of {report.planned:,} in {report.seconds:g} s"),
        (
            "acked",
            f"{report.acked:,}"
            + (f", {report.deduplicated:,} as seen before" if report.deduplicated else ""),
        ),
        ("rejected", name_counts(report.rejected)),
        ("unanswered", f"{report.unanswered:,}"),
        (
            "delivered",
            f"{report.delivered:,} of {report.expected:,} "
            f"({report.deliveries_per_second:,.0f} a second)",
        ),
        ("lost", f"{report.lost:,}"),
        ("out of order", f"{report.out_of_order:,}"),
        ("twice", f"{report.duplicated:,}"),
        ("thinned, skipped", f"{report.thinned:,}, {report.skipped:,}"),
        ("checked one by one", f"{report.checked:,} by {report.samples:,} viewers"),
    ]
    if report.answer_lost:
        rows.insert(4, ("answers cut off", f"{report.answer_lost:,} by the storm's own drop"))
    if report.resumed:
        rows.insert(6, ("of these by a resume", f"{report.resumed:,}"))
    return rows


def list_latency(report: Report) -> Rows:
    """How late."""
    rows = [("delivered", describe(report.latency)), ("acked", describe(report.ack_latency))]
    return [*rows, ("sent late by, at most", f"{report.greatest_lateness_ms:.1f} ms")]


def describe(latency: Latency) -> str:
    """Return percentiles in one line."""
    if not latency.count:
        return "none"
    names = {"p50": latency.p50_ms, "p90": latency.p90_ms, "p99": latency.p99_ms}
    names |= {"p99.9": latency.p999_ms, "max": latency.max_ms}
    return "   ".join(f"{name} {say_ms(value)}" for name, value in names.items()) + " ms"


def say_ms(value: float) -> str:
    """Return milliseconds with as many digits as they are good for."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def list_connections(report: Report) -> Rows:
    """Who came in, how fast, and who left."""
    rows = [
        (
            "connected",
            f"{report.connected:,} of {report.viewers:,} "
            f"({report.connects_per_second:,.0f} a second)",
        ),
        ("until welcome", describe(report.connect_latency)),
        ("there at the end", f"{report.present:,}"),
        ("closed by the server", name_counts(report.closed)),
        ("failed", name_counts(report.failed)),
    ]
    if report.reconnected:
        rows.append(
            ("came back", f"{report.reconnected:,} ({report.reconnects_per_second:,.0f} a second)")
        )
        rows.append(("until welcome again", describe(report.reconnect_latency)))
        rows.append(("not resumed", name_counts(report.unrecovered)))
    if report.slow_viewers:
        rows.append(
            ("slow viewers", f"{report.slow_viewers:,}, of whom {report.slow_closed:,} were closed")
        )
    return rows


def list_cost(report: Report) -> Rows:
    """What it cost, on both sides."""
    shares = " ".join(f"{share:.0%}" for share in report.tester_cpu)
    rows = [
        ("bytes", f"{report.received_bytes:,} ({report.bytes_per_delivery:,.1f} per delivery)"),
        ("the tester's CPU", f"{shares} of a core, by process"),
    ]
    if server := report.server:
        mebibyte = 1024 * 1024
        rows += [
            (
                "the server's CPU",
                f"{server.cpu_s:.2f} s ({server.cpu_share:.0%} of a core, "
                f"{server.us_per_delivery:.2f} µs per delivery)",
            ),
            (
                "to connect",
                f"{server.connect_cpu_s:.2f} s ({server.us_per_connect:,.0f} µs per viewer)",
            ),
            (
                "the server's memory",
                f"{server.memory_before_bytes / mebibyte:.1f} MiB before, "
                f"{server.memory_open_bytes / mebibyte:.1f} with all viewers "
                f"({server.memory_per_viewer_bytes / 1024:.1f} KiB each), "
                f"{server.memory_peak_bytes / mebibyte:.1f} at most",
            ),
        ]
    return rows


def name_counts(counts: dict[str, int]) -> str:
    """Return counts by name in one line; `0` for none."""
    return ", ".join(f"{count:,} × {name}" for name, count in counts.items()) or "0"
