"""Coalescing: the cost of a delivery when one write carries several comments.

5,000 viewers, everything on, nothing thinned (`--delivery-rate 0`). A delivery is one comment to
one viewer: 400 comments a second are 2 million deliveries a second, 1,000 are 5 million.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.harness import Harness, cost, median, spread
from chat.loadtest import Report


def measure(harness: Harness) -> Iterator[Figure]:
    viewers, seconds = harness.viewers(5000), harness.seconds(6)

    def run(rate: int) -> Report:
        with harness.start_server("--delivery-rate", "0") as server:
            return harness.load(server, viewers, rate, seconds)

    slower, faster = harness.alternate(2, lambda: run(400), lambda: run(1000))
    yield Figure(
        line="2",
        what="400 comments a second: server CPU per delivery",
        value=median(cost(report) for report in slower),
        unit="µs",
        at_most=0.30,
        note=spread(cost(report) for report in slower),
    )
    yield Figure(
        line="2",
        what="400 comments a second: share of the core",
        value=median(busy(report) for report in slower),
    )
    yield Figure(
        line="2",
        what="1,000 comments a second: p99",
        value=median(report.latency.p99_ms for report in faster),
        unit="ms",
        at_most=250,
        note=spread(report.latency.p99_ms for report in faster),
    )
    yield Figure(
        line="2",
        what="1,000 comments a second: lost or out of order",
        value=sum(report.lost + report.out_of_order for report in faster),
        at_most=0,
    )
    yield Figure(
        line="2",
        what="1,000 comments a second: deliveries a second",
        value=median(report.deliveries_per_second for report in faster),
    )
    yield Figure(
        line="2",
        what="1,000 comments a second: share of the core",
        value=median(busy(report) for report in faster),
    )


def busy(report: Report) -> float:
    """Return the server's share of its core while posts were due."""
    assert report.server is not None
    return report.server.cpu_share
