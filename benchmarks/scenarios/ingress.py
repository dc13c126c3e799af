"""Ingress: 4,000 viewers who all post, every comment durable and acked.

A little more is offered than is asked for, and the default `--delivery-rate` is on: nobody reads
4,000 comments a second. Accepted a second counts the time until the last ack, which is when the
disk has the last comment.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.figures import Figure

OFFERED = 4_400
FLOOD = 6_000


def measure(bench: Bench) -> Iterator[Figure]:
    viewers, seconds = bench.viewers(4000), bench.seconds(6)
    for offered in (OFFERED, FLOOD):
        with bench.ours() as server:
            report = bench.load(server, viewers, offered, seconds)
        took = report.seconds + report.ack_latency.max_ms / 1000
        line, least = ("12", 4000.0) if offered == OFFERED else ("", None)
        yield Figure(
            line=line,
            what=f"{offered:,} offered: accepted a second",
            value=report.acked / took,
            at_least=least,
        )
        yield Figure(
            line=line,
            what=f"{offered:,} offered: not acked",
            value=report.sent - report.acked,
            at_most=0 if line else None,
            note=", ".join(f"{code}: {count:,}" for code, count in report.rejected.items()),
        )
        yield Figure(
            what=f"{offered:,} offered: p99 until the ack",
            value=report.ack_latency.p99_ms,
            unit="ms",
        )
