"""Many comments, few writes: what a delivery costs when a wave carries several.

5,000 viewers, everything on, nothing thinned (`--delivery-rate 0`). A delivery is one comment to
one viewer: at 400 a second there are 2 million of them each second, at 1,000 there are 5 million.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, cost, median, spread
from benchmarks.figures import Figure
from chat.loadtest import Report


def measure(bench: Bench) -> Iterator[Figure]:
    viewers, seconds = bench.viewers(5000), bench.seconds(8)

    def run(rate: int) -> Report:
        with bench.ours("--delivery-rate", "0") as server:
            return bench.load(server, viewers, rate, seconds)

    calm, wild = bench.alternate(2, lambda: run(400), lambda: run(1000))
    yield Figure(
        line="2",
        what="400 comments a second: server CPU per delivery",
        value=median(cost(report) for report in calm),
        unit="µs",
        at_most=0.30,
        note=spread(cost(report) for report in calm),
    )
    yield Figure(
        line="2",
        what="400 comments a second: share of the core",
        value=median(busy(report) for report in calm),
    )
    yield Figure(
        line="2",
        what="1,000 comments a second: p99",
        value=median(report.latency.p99_ms for report in wild),
        unit="ms",
        at_most=250,
        note=spread(report.latency.p99_ms for report in wild),
    )
    yield Figure(
        line="2",
        what="1,000 comments a second: lost or out of order",
        value=sum(report.lost + report.out_of_order for report in wild),
        at_most=0,
    )
    yield Figure(
        line="2",
        what="1,000 comments a second: deliveries a second",
        value=median(report.deliveries_per_second for report in wild),
    )
    yield Figure(
        line="2",
        what="1,000 comments a second: share of the core",
        value=median(busy(report) for report in wild),
    )


def busy(report: Report) -> float:
    """The server's share of its core while posts were due."""
    assert report.server is not None
    return report.server.cpu_share
