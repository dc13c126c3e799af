"""Burst: 5,000 viewers who all post within one second.

The red-packet moment: the room is quiet, somebody says something, and everybody answers. Thinning
is on as it is by default, since nobody reads 5,000 comments a second; all are kept and acked.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.figures import Figure
from chat.loadtest.plan import BURST_FACTOR


def measure(bench: Bench) -> Iterator[Figure]:
    viewers, seconds = bench.viewers(5000), bench.seconds(9)
    with bench.ours() as server:
        report = bench.load(server, viewers, viewers / BURST_FACTOR, seconds, profile="burst")
    yield Figure(what="comments posted, most of them in one second", value=report.sent)
    yield Figure(what="not acked", value=report.sent - report.acked)
    yield Figure(
        what="lost or out of order",
        value=report.lost + report.out_of_order,
        note=f"{report.thinned / report.expected:.0%} thinned",
    )
    yield Figure(what="p99 until the ack", value=report.ack_latency.p99_ms, unit="ms")
    yield Figure(what="p99 of what was sent live", value=report.latency.p99_ms, unit="ms")
