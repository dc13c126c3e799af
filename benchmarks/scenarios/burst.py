"""Burst: everybody in a room posts within one second.

The red-packet moment: the room is quiet, somebody says something, and everybody answers. Thinning
is on as it is by default, since nobody reads thousands of comments a second; all are kept, and
acked.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Table
from chat.loadtest.plan import BURST_FACTOR

SIZES = (1000, 5000)


def measure(bench: Bench) -> Iterator[Figure | Table]:
    seconds = bench.seconds(9)
    rows: list[list[object]] = []
    for size in SIZES:
        viewers = bench.viewers(size)
        with bench.ours() as server:
            report = bench.load(server, viewers, viewers / BURST_FACTOR, seconds, profile="burst")
        yield Figure(what=f"{viewers:,} viewers: posts", value=report.sent)
        yield Figure(what=f"{viewers:,} viewers: not acked", value=report.sent - report.acked)
        acks, sent_live = report.ack_latency.p99_ms, report.latency.p99_ms
        yield Figure(what=f"{viewers:,} viewers: p99 until the ack", value=acks, unit="ms")
        rows.append(
            [
                viewers,
                report.sent,
                report.acked,
                acks,
                sent_live,
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
