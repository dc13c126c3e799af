"""Size: 15,000 viewers at 200 comments a second on one core, and the cost of a delivery.

The cost is CPU time per delivery, next to that of 1,000 viewers at the same rate. A wave to more
viewers takes longer, so it carries more comments, which lowers the cost; memory that no longer fits
the caches raises it.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.harness import Harness, cost, median, spread
from chat.loadtest import Report

RATE = 200


def measure(harness: Harness) -> Iterator[Figure]:
    seconds = harness.seconds(6)

    def run(viewers: int) -> Report:
        with harness.start_server("--delivery-rate", "0") as server:
            return harness.load(server, harness.viewers(viewers), RATE, seconds)

    few, many = harness.alternate(2, lambda: run(1000), lambda: run(15_000))
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
