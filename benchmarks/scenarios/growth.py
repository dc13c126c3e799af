"""How cost grows with viewers: 1,000 to 15,000 at 100 comments a second.

A write costs about the same for each, so a wave grows with the room; a longer wave carries more
comments, so CPU per delivery falls while latency rises.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, cost
from benchmarks.figures import Figure, Table

RATE = 100
SIZES = (1000, 2000, 5000, 10_000, 15_000)


def measure(bench: Bench) -> Iterator[Figure | Table]:
    seconds = bench.seconds(6)
    rows: list[list[object]] = []
    for size in SIZES:
        with bench.ours("--delivery-rate", "0") as server:
            report = bench.load(server, bench.viewers(size), RATE, seconds)
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
