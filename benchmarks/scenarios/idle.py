"""Idle viewers: what 10,000 cost that only watch a silent room.

Memory is what is resident when all have been in for a while, less what was before the first came,
by 10,000. CPU is of a whole round of pings (30 s), so each viewer was pinged once and answered.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.figures import Figure

PING_ROUND = 30.0


def measure(bench: Bench) -> Iterator[Figure]:
    viewers = bench.viewers(10_000)
    with bench.ours() as server:
        report = bench.load(server, viewers, 0, 6.0 if bench.quick else PING_ROUND)
    assert report.server is not None
    # The last look before the viewers leave.
    settled = [load.server_memory_bytes for load in report.loads if load.at_s < report.seconds]
    memory = (settled[-1] or 0) - report.server.memory_before_bytes
    yield Figure(
        line="9",
        what="memory for each idle viewer",
        value=memory / report.connected / 1024,
        unit="KiB",
        at_most=11,
    )
    yield Figure(
        line="9",
        what="CPU for each idle viewer, a second",
        value=report.server.cpu_share * 1e6 / report.connected,
        unit="µs",
        at_most=3,
    )
