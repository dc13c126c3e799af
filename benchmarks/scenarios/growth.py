"""Growth: cost and latency from 1,000 to 15,000 viewers at 100 comments a second.

A wave is one write to each viewer, so it takes longer in a larger room; a longer wave carries more
comments, so the CPU time of a delivery falls while the latency rises.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure, Table
from benchmarks.harness import Harness, cost
from chat.loadtest import Report

RATE = 100
SIZES = (1000, 2000, 5000, 10_000, 15_000)


def measure(harness: Harness) -> Iterator[Figure | Table]:
    seconds = harness.seconds(6)
    rows: list[list[object]] = []
    for size in SIZES:

        def run(viewers: int = harness.viewers(size)) -> Report:
            with harness.start_server("--delivery-rate", "0") as server:
                return harness.load(server, viewers, RATE, seconds)

        report = harness.measure(run)
        assert report.server is not None
        latency, usage = report.latency, report.server
        rows.append(
            [
                report.connected,
                cost(report),
                usage.cpu_share,
                report.bytes_per_delivery,
                latency.p50_ms,
                latency.p99_ms,
                usage.memory_peak_bytes / 2**20,
            ]
        )
        yield Figure(what=f"{size:,} viewers: CPU per delivery", value=cost(report), unit="µs")
        yield Figure(what=f"{size:,} viewers: p99", value=latency.p99_ms, unit="ms")
    columns = [
        "viewers",
        "µs a delivery",
        "share of a core",
        "bytes a delivery",
        "p50 ms",
        "p99 ms",
        "memory MiB",
    ]
    yield Table(name="growth", columns=columns, rows=rows)
