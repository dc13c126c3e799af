"""Three ways to follow a room: push, long polling, short polling.

300 viewers and 4 comments a second by each, few enough that the dearest keeps up. Long polling
costs a request per viewer and wave; short polling (every second) costs the same whether there is
anything or not, and is late by half its interval.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, cost
from benchmarks.figures import Figure, Table

RATE = 4
TRANSPORTS = ("websocket", "long-poll", "short-poll")


def measure(bench: Bench) -> Iterator[Figure | Table]:
    viewers, seconds = bench.viewers(300), bench.seconds(9)
    rows: list[list[object]] = []
    for transport in TRANSPORTS:
        with bench.ours() as server:
            report = bench.load(server, viewers, RATE, seconds, transport=transport)
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
