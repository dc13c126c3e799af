"""Fairness: small rooms beside a large and busy one.

One room of 5,000 viewers at 200 comments a second beside 200 rooms of 25 viewers at 1 a second
each, on one server. Two load testers at once, both on the load's core: the small rooms' latency has
the other tester's turns on that core in it, some milliseconds that a viewer would not see.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.bench import Bench
from benchmarks.figures import Figure

ROOMS = 200
A_ROOM = 25


def measure(bench: Bench) -> Iterator[Figure]:
    viewers, seconds = bench.viewers(5000), bench.seconds(10)
    small_rooms = ROOMS // 10 if bench.quick else ROOMS
    with bench.ours("--delivery-rate", "0") as server, ThreadPoolExecutor() as testers:
        # The large room's show is longer, so that the small rooms' lies within it.
        large = testers.submit(bench.load, server, viewers, 200, seconds + 6)
        small = testers.submit(
            bench.load,
            server,
            small_rooms * A_ROOM,
            small_rooms,
            seconds,
            rooms=small_rooms,
            url=server.url.replace("/ws/bench", "/ws/small"),
        ).result()
        busy = large.result()
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
    yield Figure(what="large room: p99", value=busy.latency.p99_ms, unit="ms")
