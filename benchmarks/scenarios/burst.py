"""Burst: every viewer of a room posts within one second.

The room is quiet, one viewer posts, and all others reply. Thinning is on, as it is by default,
because nobody reads thousands of comments a second; all comments are archived and acked.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure, Table
from benchmarks.harness import Harness
from chat.loadtest import Report
from chat.loadtest.schedule import BURST_FACTOR

SIZES = (1000, 5000)


def measure(harness: Harness) -> Iterator[Figure | Table]:
    seconds = harness.seconds(9)
    rows: list[list[object]] = []
    for size in SIZES:
        viewers = harness.viewers(size)

        def run(viewers: int = viewers) -> Report:
            with harness.start_server() as server:
                rate = viewers / BURST_FACTOR
                return harness.load(server, viewers, rate, seconds, profile="burst")

        report = harness.measure(run)
        yield Figure(what=f"{viewers:,} viewers: posts", value=report.sent)
        yield Figure(what=f"{viewers:,} viewers: not acked", value=report.sent - report.acked)
        acks, live = report.ack_latency.p99_ms, report.latency.p99_ms
        yield Figure(what=f"{viewers:,} viewers: p99 until the ack", value=acks, unit="ms")
        rows.append(
            [
                viewers,
                report.sent,
                report.acked,
                acks,
                live,
                f"{report.thinned / report.expected:.0%}",
                report.lost + report.out_of_order,
            ]
        )
    columns = [
        "viewers",
        "posts",
        "acked",
        "p99 ms until the ack",
        "p99 ms of what was sent live",
        "thinned",
        "lost",
    ]
    yield Table(name="burst", columns=columns, rows=rows)
