"""Idle viewers: what 10,000 viewers of a room without comments cost.

Memory is the resident memory with all viewers connected, less that before the first, divided by
10,000. CPU is that of a whole round of pings (30 s), in which each viewer is pinged once and
answers.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.harness import Harness
from chat.loadtest import Report

PING_ROUND = 30.0


def measure(harness: Harness) -> Iterator[Figure]:
    viewers = harness.viewers(10_000)

    def run() -> Report:
        with harness.start_server() as server:
            return harness.load(server, viewers, 0, 6.0 if harness.quick else PING_ROUND)

    report = harness.measure(run)
    assert report.server is not None
    # The last sample before the viewers disconnect.
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
