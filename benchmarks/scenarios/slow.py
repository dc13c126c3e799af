"""Slow viewers: 1 % that never read, beside the same room without them.

5,000 viewers at 400 comments a second, which fills a slow viewer's buffers in some seconds. In the
shorter runs the slow read again before their time is up, some of them after the room's history has
moved past them, and must get exactly what they missed or be told what was skipped: the tester
counts everything else as lost. In the longer one they stall past the server's patience (15 s) and
are closed. The codes are the server's own count: who never reads cannot read the code either.

Memory is the process's: what is resident at its peak, less the same without slow viewers. The
kernel's own buffer for a socket is not in it; that is bounded by SO_SNDBUF.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator

from benchmarks.bench import Bench, median, spread
from benchmarks.figures import Figure
from benchmarks.process import Server
from chat.loadtest import Report

RATE = 400
SHARE = 0.01
PATIENCE_SECONDS = 15
CLOSED = re.compile(r'^danmaku_closed_total\{code="(\d+)"\} (\S+)', re.MULTILINE)


def measure(bench: Bench) -> Iterator[Figure]:
    viewers, seconds = bench.viewers(5000), bench.seconds(10)

    def run(slow: float, length: float) -> Report:
        with bench.ours("--delivery-rate", "0") as server:
            return bench.load(server, viewers, RATE, length, slow=slow)

    without, with_slow = bench.alternate(
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
        what="who came back late: entries lost without a word",
        value=sum(report.lost + report.out_of_order for report in with_slow),
        at_most=0,
        note=f"{sum(report.skipped for report in with_slow):,} skipped with a word",
    )
    # Not shortened by --quick: patience is what it is.
    with bench.ours("--delivery-rate", "0") as server:
        long = bench.load(server, viewers, RATE, PATIENCE_SECONDS + 9, slow=SHARE)
        codes = count_closed(server)
    yield Figure(
        line="6",
        what="never reading: closed by the server, of all that are slow",
        value=long.slow_closed / long.slow_viewers,
        at_least=1,
        note=", ".join(f"{code}: {count:g}" for code, count in codes.items()),
    )


def count_closed(server: Server) -> dict[str, float]:
    """Return how many connections the server says it ended, by their close code."""
    with urllib.request.urlopen(f"{server.http}/metrics") as answer:
        found = CLOSED.findall(answer.read().decode())
    return {code: float(count) for code, count in found}


def peak(report: Report) -> float:
    """The server's memory at its peak, beyond what it had before anybody came."""
    assert report.server is not None
    return report.server.memory_peak_bytes - report.server.memory_before_bytes
