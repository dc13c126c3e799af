"""Ingress: 4,000 viewers post, and every comment is durable and acked.

Somewhat more is offered than the target asks for. The default `--delivery-rate` is on, because
nobody reads 4,000 comments a second. Accepted a second counts the time until the last ack, which is
sent when the last comment is on the disk.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.harness import Harness
from chat.loadtest import Report

OFFERED = 4_400
OVERLOAD = 6_000


def measure(harness: Harness) -> Iterator[Figure]:
    viewers, seconds = harness.viewers(4000), harness.seconds(6)
    for offered in (OFFERED, OVERLOAD):

        def run(offered: int = offered) -> Report:
            with harness.start_server() as server:
                return harness.load(server, viewers, offered, seconds)

        report = harness.measure(run)
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
