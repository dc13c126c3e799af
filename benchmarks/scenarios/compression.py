"""Shared compression: a wave is compressed once, for everyone who asked for it.

5,000 viewers at 50 comments a second, all with permessage-deflate or all without. The load tester's
comments are more alike than people's, who repeat themselves less: the bytes saved in a real room
are fewer, the CPU is the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, cost, median, spread
from benchmarks.figures import Figure
from chat.loadtest import Report

RATE = 50


def measure(bench: Bench) -> Iterator[Figure]:
    viewers, seconds = bench.viewers(5000), bench.seconds(8)

    def run(compress: bool) -> Report:
        with bench.ours() as server:
            return bench.load(server, viewers, RATE, seconds, compress=compress)

    plain, packed = bench.alternate(3, lambda: run(False), lambda: run(True))
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
        what="viewers that asked and were not granted it",
        value=sum(report.connected - report.compressed for report in packed),
        at_most=0,
    )
