"""Transports: WebSocket, long polling and short polling.

300 viewers and 4 comments a second for each, few enough that the most expensive one keeps up. Long
polling costs a request per viewer and wave. Short polling (every second) costs the same whether
there are new comments or not, and adds half its interval to the latency.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure, Table
from benchmarks.harness import Harness, cost
from chat.loadtest import Report

RATE = 4
TRANSPORTS = ("websocket", "long-poll", "short-poll")


def measure(harness: Harness) -> Iterator[Figure | Table]:
    viewers, seconds = harness.viewers(300), harness.seconds(9)
    rows: list[list[object]] = []
    for transport in TRANSPORTS:

        def run(transport: str = transport) -> Report:
            with harness.start_server() as server:
                return harness.load(server, viewers, RATE, seconds, transport=transport)

        report = harness.measure(run)
        assert report.server is not None
        latency = report.latency
        rows.append(
            [
                transport,
                cost(report),
                report.server.cpu_share,
                report.bytes_per_delivery,
                latency.p50_ms,
                latency.p99_ms,
            ]
        )
        yield Figure(what=f"{transport}: CPU per delivery", value=cost(report), unit="µs")
        yield Figure(what=f"{transport}: p50", value=latency.p50_ms, unit="ms")
        yield Figure(what=f"{transport}: p99", value=latency.p99_ms, unit="ms")
    columns = [
        "transport",
        "µs a delivery",
        "share of a core",
        "bytes a delivery",
        "p50 ms",
        "p99 ms",
    ]
    yield Table(name="transports", columns=columns, rows=rows)
