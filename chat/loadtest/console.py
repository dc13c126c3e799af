"""What the command line prints: a progress bar with live figures during the test, tables after it.

When the output is not a terminal, only warnings and the tables are printed.
"""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from chat.loadtest import ipc
from chat.loadtest.report import Load, Report

# A line is a figure, "name: format", under the subject before it. One that begins with "?field" is
# listed only when that field of the report is not 0.
COUNTS = ("rejected", "closed", "failed", "unrecovered")
FIGURES = """
Delivery
posted: {r.sent:,} of {r.planned:,} in {r.seconds:g} s
acked: {r.acked:,}
?deduplicated of these as seen before: {r.deduplicated:,}
rejected: {counts[rejected]}
unanswered: {r.unanswered:,}
?answer_lost answers cut off: {r.answer_lost:,} by the storm's own disconnect
delivered: {r.delivered:,} of {r.expected:,} ({r.deliveries_per_second:,.0f} a second)
?resumed of these by a resume: {r.resumed:,}
lost: {r.lost:,}
out of order: {r.out_of_order:,}
duplicated: {r.duplicated:,}
thinned, skipped: {r.thinned:,}, {r.skipped:,}
checked one by one: {r.checked:,} by {r.samples:,} viewers

Latency, from due to received
delivered: {r.latency}
acked: {r.ack_latency}
sent late by, at most: {r.greatest_lateness_ms:.1f} ms

Connections
connected: {r.connected:,} of {r.viewers:,} ({r.connects_per_second:,.0f} a second)
until welcome: {r.connect_latency}
connected at the end: {r.present:,}
closed by the server: {counts[closed]}
failed: {counts[failed]}
?reconnected reconnected: {r.reconnected:,} ({r.reconnects_per_second:,.0f} a second)
?reconnected until welcome again: {r.reconnect_latency}
?reconnected not resumed: {counts[unrecovered]}
?slow_viewers slow viewers: {r.slow_viewers:,}, of whom {r.slow_closed:,} were closed

Cost
bytes: {r.received_bytes:,} ({r.bytes_per_delivery:,.1f} per delivery)
the tester's CPU: {tester} of a core, by process
?server the server's CPU: {s.cpu_s:.2f} s ({s.cpu_share:.0%} of a core, \
{s.us_per_delivery:.2f} µs per delivery)
?server to connect: {s.connect_cpu_s:.2f} s ({s.us_per_connect:,.0f} µs per viewer)
?server the server's memory: {mib[0]:.1f} MiB before, {mib[1]:.1f} with all viewers \
({kib:.1f} KiB each), {mib[2]:.1f} at most
"""


def list_tables(report: Report) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return all figures by subject, as names and texts; the HTML report shows the same."""
    values: dict[str, object] = {
        "r": report,
        "s": report.server,
        "tester": " ".join(f"{share:.0%}" for share in report.tester_cpu),
        "counts": {name: format_counts(getattr(report, name)) for name in COUNTS},
    }
    if server := report.server:
        memory = (server.memory_before_bytes, server.memory_open_bytes, server.memory_peak_bytes)
        values["mib"] = [size / 2**20 for size in memory]
        values["kib"] = server.memory_per_viewer_bytes / 2**10
    tables = []
    for block in FIGURES.strip().split("\n\n"):
        subject, *lines = block.split("\n")
        rows = []
        for line in lines:
            if line.startswith("?"):
                needed, _, line = line[1:].partition(" ")
                if not getattr(report, needed):
                    continue
            name, _, text = line.partition(": ")
            rows.append((name, text.format_map(values)))
        tables.append((subject, rows))
    return tables


def format_counts(counts: Mapping[str, int]) -> str:
    """Return counts by name in one line; `0` for none."""
    return ", ".join(f"{count:,} × {name}" for name, count in counts.items()) or "0"


def print_report(console: Console, report: Report) -> None:
    """Print the figures in tables, then warnings, faults, or that there was none."""
    for title, rows in list_tables(report):
        table = Table(title=title, title_justify="left", title_style="bold", box=None)
        table.show_header, table.pad_edge = False, False
        table.add_column(style="dim", min_width=22)
        table.add_column()
        for name, value in rows:
            table.add_row(name, value)
        console.print(table, "")
    for sentences, mark, style in (
        (report.warnings, "!", "yellow"),
        (report.faults, "✗", "bold red"),
        (report.successes, "✓", "bold green"),
    ):
        for sentence in sentences:
            console.print(Text(f"{mark} {sentence}", style=style))


class LiveDisplay(Live):
    """Shows one running test on a terminal, and leaves it as it was; a context manager."""

    def __init__(self, console: Console) -> None:
        self.bar = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[unit]}"),
        )
        super().__init__(self.bar, console=console, refresh_per_second=5, transient=True)
        self.phase = ""

    def show(
        self, phase: str, total: int, done: int, progress: list[ipc.Progress], load: Load | None
    ) -> None:
        """Show how much of a phase is done, and the figures so far."""
        if phase != self.phase:
            for task in self.bar.task_ids:
                self.bar.remove_task(task)
            self.task = self.bar.add_task(phase, total=total, unit="seconds")
            self.phase = phase
        self.bar.update(self.task, completed=done)
        if phase == "opening":
            failed = sum(one.counters.failed.total() for one in progress)
            self.bar.update(self.task, unit=f"{failed:,} failed" if failed else "viewers")
        self.update(Group(self.bar, build_live_table(progress, load)) if load else self.bar)


def build_live_table(progress: list[ipc.Progress], load: Load) -> Table:
    """Return the live figures, in one row."""
    counters = [one.counters for one in progress]
    sent = sum(one.sent for one in counters)
    columns = {
        "viewers": f"{sum(one.connected - one.left for one in counters):,}",
        "posted": f"{sent:,}",
        "unanswered": f"{sent - sum(one.answered for one in counters):,}",
        "delivered": f"{sum(one.delivered for one in counters):,}",
        "lost": f"{sum(one.lost for one in counters):,}",
        "p50": f"{max(one.p50 for one in progress) / 1e6:.1f} ms",
        "p99": f"{max(one.p99 for one in progress) / 1e6:.1f} ms",
        "tester": " ".join(f"{share:.0%}" for share in load.tester),
        "server": "?" if load.server is None else f"{load.server:.0%}",
    }
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        table.add_column(name, justify="right")
    table.add_row(*columns.values())
    return table
