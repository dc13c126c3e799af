"""Fairness: small rooms next to a large and busy one.

One room of 5,000 viewers at 200 comments a second and 200 rooms of 25 viewers at 1 a second each,
on one server. Two load testers share the load's core, so the small rooms' latency includes some
milliseconds of waiting for the other tester, which a viewer would not see.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.figures import Figure
from benchmarks.harness import Harness
from chat.loadtest import Report

ROOMS = 200
VIEWERS_PER_ROOM = 25


def measure(harness: Harness) -> Iterator[Figure]:
    viewers, seconds = harness.viewers(5000), harness.seconds(10)
    small_rooms = ROOMS // 10 if harness.quick else ROOMS

    def run() -> tuple[Report, Report]:
        with harness.start_server("--delivery-rate", "0") as server, ThreadPoolExecutor() as pool:
            # The large room's run is longer, so that the small rooms' lies within it.
            large = pool.submit(harness.load, server, viewers, 200, seconds + 6)
            small = harness.load(
                server,
                small_rooms * VIEWERS_PER_ROOM,
                small_rooms,
                seconds,
                rooms=small_rooms,
                url=server.url.replace("/ws/bench", "/ws/small"),
            )
            return large.result(), small

    large, small = harness.measure(run)
    yield Figure(
        line="5",
        what="small rooms: p99",
        value=small.latency.p99_ms,
        unit="ms",
        at_most=100,
    )
    yield Figure(what="small rooms: p50", value=small.latency.p50_ms, unit="ms")
    yield Figure(
        line="5",
        what="small rooms: lost or out of order",
        value=small.lost + small.out_of_order,
        at_most=0,
    )
    yield Figure(what="large room: p99", value=large.latency.p99_ms, unit="ms")
