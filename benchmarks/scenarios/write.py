"""Write: the cost of a write and its latency, next to a bare loop of `socket.send`.

5,000 viewers, 10 comments a second, so that nothing can be coalesced: each comment is written to
all viewers by itself. Both servers are measured by the same load tester and get the same posts.

The duration of the bare loop's whole pass is given twice. By its own clock: from the first `send`
of a pass to the last, the median of all passes. By its viewers: the p99 of its delivery latency,
which is all but the last hundredth of the pass, and the tester's reading. Our latency includes the
reading too, and the disk: a comment is sent only after SQLite has made it durable.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.figures import Figure
from benchmarks.harness import Harness, cost, median, spread


class Measured(NamedTuple):
    cost: float  # µs of CPU per write
    p50: float  # ms
    p99: float  # ms
    whole_pass: float  # ms; 0 where it is unknown


def measure(harness: Harness) -> Iterator[Figure]:
    viewers, seconds = harness.viewers(5000), harness.seconds(6)

    def run_bare() -> Measured:
        with harness.start_peer("bare_loop") as server:
            report = harness.load(server, viewers, 10, seconds)
            passes = [float(word) for word in server.stop().split()]
        latency = report.latency
        return Measured(cost(report), latency.p50_ms, latency.p99_ms, median(passes))

    def run_ours() -> Measured:
        with harness.start_server() as server:
            report = harness.load(server, viewers, 10, seconds)
        return Measured(cost(report), report.latency.p50_ms, report.latency.p99_ms, 0)

    bare, ours = harness.alternate(3, run_bare, run_ours)
    bare_cost = median(one.cost for one in bare)
    our_cost = median(one.cost for one in ours)
    yield Figure(what="bare loop: server CPU per write", value=bare_cost, unit="µs")
    yield Figure(what="ours: server CPU per write", value=our_cost, unit="µs")
    yield Figure(
        line="1",
        what="CPU per write, times the bare loop's",
        value=our_cost / bare_cost,
        unit="×",
        at_most=1.25,
        note=spread(o.cost / b.cost for b, o in zip(bare, ours, strict=True)),
    )
    bare_p99 = median(one.p99 for one in bare)
    our_p99 = median(one.p99 for one in ours)
    whole_pass = median(one.whole_pass for one in bare)
    yield Figure(what="bare loop: a whole pass by its own clock", value=whole_pass, unit="ms")
    yield Figure(what="bare loop: p99 by the tester", value=bare_p99, unit="ms")
    bare_p50 = median(one.p50 for one in bare)
    our_p50 = median(one.p50 for one in ours)
    yield Figure(what="bare loop: p50", value=bare_p50, unit="ms")
    yield Figure(what="ours: p50", value=our_p50, unit="ms")
    yield Figure(what="ours: p99", value=our_p99, unit="ms")
    yield Figure(
        line="3",
        what="p99, times the bare loop's whole pass as its viewers see it",
        value=our_p99 / bare_p99,
        unit="×",
        at_most=1.15,
        note=spread(o.p99 / b.p99 for b, o in zip(bare, ours, strict=True)),
    )
    yield Figure(
        line="3",
        what="p99, times the bare loop's whole pass by its own clock",
        value=our_p99 / whole_pass,
        unit="×",
        at_most=1.15,
        note=spread(o.p99 / b.whole_pass for b, o in zip(bare, ours, strict=True)),
    )
