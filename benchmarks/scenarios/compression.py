"""Compression: a wave is compressed once for all viewers that negotiated it.

5,000 viewers at 50 comments a second, all with permessage-deflate or all without. The load tester's
comments resemble each other more than people's do, so a real room saves fewer bytes; the CPU time
is the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.harness import Harness, cost, median, spread
from chat.loadtest import Report

RATE = 50


def measure(harness: Harness) -> Iterator[Figure]:
    viewers, seconds = harness.viewers(5000), harness.seconds(6)

    def run(compress: bool) -> Report:
        with harness.start_server() as server:
            return harness.load(server, viewers, RATE, seconds, compress=compress)

    plain, packed = harness.alternate(3, lambda: run(False), lambda: run(True))
    yield Figure(
        line="8",
        what="CPU per delivery, times uncompressed",
        value=median(map(cost, packed)) / median(map(cost, plain)),
        unit="×",
        at_most=1.10,
        note=spread(cost(b) / cost(a) for a, b in zip(plain, packed, strict=True)),
    )
    yield Figure(
        line="8",
        what="bytes per delivery, times uncompressed",
        value=median(r.bytes_per_delivery for r in packed)
        / median(r.bytes_per_delivery for r in plain),
        unit="×",
        at_most=0.40,
    )
    yield Figure(
        line="8",
        what="viewers that asked for compression and did not get it",
        value=sum(report.connected - report.compressed for report in packed),
        at_most=0,
    )
