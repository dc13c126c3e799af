"""Size: 15,000 viewers at 200 comments a second on one core, and the price there.

The price is CPU per delivery, beside that of 1,000 viewers at the same rate. A wave over more
viewers is longer, so it carries more comments: that lowers the price; what raises it is memory that
no longer fits the caches.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, cost, median, spread
from benchmarks.figures import Figure
from chat.loadtest import Report

RATE = 200


def measure(bench: Bench) -> Iterator[Figure]:
    seconds = bench.seconds(8)

    def run(viewers: int) -> Report:
        with bench.ours("--delivery-rate", "0") as server:
            return bench.load(server, bench.viewers(viewers), RATE, seconds)

    few, many = bench.alternate(2, lambda: run(1000), lambda: run(15_000))
    yield Figure(
        line="4",
        what="15,000 viewers: p99",
        value=median(report.latency.p99_ms for report in many),
        unit="ms",
        at_most=300,
        note=spread(report.latency.p99_ms for report in many),
    )
    yield Figure(
        line="4",
        what="15,000 viewers: lost, out of order, or not connected",
        value=sum(
            report.lost + report.out_of_order + report.viewers - report.connected for report in many
        ),
        at_most=0,
    )
    yield Figure(
        line="4",
        what="CPU per delivery at 15,000 viewers, times that at 1,000",
        value=median(map(cost, many)) / median(map(cost, few)),
        unit="×",
        at_most=1.4,
        note=spread(cost(m) / cost(f) for f, m in zip(few, many, strict=True)),
    )
