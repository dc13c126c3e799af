"""Slow viewers: 1 % that never read, next to the same room without them.

5,000 viewers at 400 comments a second, which fills a slow viewer's buffers in a few seconds. In the
shorter runs the slow viewers read again before the server closes them, some of them after the
room's history no longer holds what they missed; each must get exactly what it missed or a message
that says what was skipped. The tester counts everything else as lost. In the longer run they stall
for longer than the server waits (15 s) and are closed. The close codes are from the server's
metrics, because a viewer that never reads does not see its code.

Memory is the peak of the process's resident memory, less that without slow viewers. The kernel's
buffer for a socket is not included; SO_SNDBUF bounds it.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.harness import Harness, median, spread
from benchmarks.process import Server
from chat.loadtest import Report

RATE = 400
SHARE = 0.01
MAX_STALL_SECONDS = 15
CLOSED = re.compile(r'^danmaku_closed_total\{code="(\d+)"\} (\S+)', re.MULTILINE)


def measure(harness: Harness) -> Iterator[Figure]:
    viewers, seconds = harness.viewers(5000), harness.seconds(8)

    def run(slow: float, length: float) -> Report:
        with harness.start_server("--delivery-rate", "0") as server:
            return harness.load(server, viewers, RATE, length, slow=slow)

    without, with_slow = harness.alternate(
        2, lambda: run(0, seconds), lambda: run(SHARE, seconds + 4)
    )
    yield Figure(
        line="6",
        what="the others' p99, times that without slow viewers",
        value=median(r.latency.p99_ms for r in with_slow)
        / median(r.latency.p99_ms for r in without),
        unit="×",
        at_most=1.10,
        note=spread(
            w.latency.p99_ms / n.latency.p99_ms for n, w in zip(without, with_slow, strict=True)
        ),
    )
    grown = median(map(peak, with_slow)) - median(map(peak, without))
    yield Figure(
        line="6",
        what="memory for each slow viewer",
        value=max(0.0, grown) / with_slow[0].slow_viewers / 1024,
        unit="KiB",
        at_most=256,
    )
    yield Figure(
        line="6",
        what="read again late: entries lost without a skip message",
        value=sum(report.lost + report.out_of_order for report in with_slow),
        at_most=0,
        note=f"{sum(report.skipped for report in with_slow):,} skipped with a message",
    )

    def run_until_closed() -> tuple[Report, dict[str, float]]:
        # Not shortened by --quick: the server's time limit is fixed.
        with harness.start_server("--delivery-rate", "0") as server:
            report = harness.load(server, viewers, RATE, MAX_STALL_SECONDS + 9, slow=SHARE)
            return report, count_closed(server)

    long, codes = harness.measure(run_until_closed)
    yield Figure(
        line="6",
        what="never reading: share closed by the server",
        value=long.slow_closed / long.slow_viewers,
        at_least=1,
        note=", ".join(f"{code}: {count:g}" for code, count in codes.items()),
    )


def count_closed(server: Server) -> dict[str, float]:
    """Return how many connections the server counts as closed, by close code."""
    with urllib.request.urlopen(f"{server.http}/metrics") as response:
        found = CLOSED.findall(response.read().decode())
    return {code: float(count) for code, count in found}


def peak(report: Report) -> float:
    """Return the server's peak memory, less that before the first viewer, in bytes."""
    assert report.server is not None
    return report.server.memory_peak_bytes - report.server.memory_before_bytes
