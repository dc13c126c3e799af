"""Other servers: the cost of a write next to other servers in Python.

The same 5,000 viewers and the same posts, 4 a second, for each in turn: few enough that even the
slowest keeps up on one core. At this rate our server cannot coalesce, so this compares only the
cost of a write. That it writes less often when there is more to send is shown by `coalescing`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.figures import Figure, Table
from benchmarks.harness import Harness, cost
from benchmarks.process import Server
from chat.loadtest import Report

RATE = 4
PEERS = {
    "bare_loop": "bare loop of socket.send",
    "picows_send": "picows",
    "websockets_broadcast": "websockets.broadcast",
    "tornado_write_message": "Tornado's write_message",
    "starlette_uvicorn": "Starlette with uvicorn",
}


def measure(harness: Harness) -> Iterator[Figure | Table]:
    viewers, seconds = harness.viewers(5000), harness.seconds(6)

    def run(start: Callable[[], Server]) -> Report:
        with start() as server:
            return harness.load(server, viewers, RATE, seconds)

    report = harness.measure(lambda: run(harness.start_server))
    ours = cost(report)
    rows: list[list[object]] = [["danmaku", ours, report.latency.p50_ms, report.latency.p99_ms]]
    yield Figure(what="danmaku", value=ours, unit="µs a write")
    for module, name in PEERS.items():
        report = harness.measure(partial(run, partial(harness.start_peer, module)))
        theirs = cost(report)
        rows.append([name, theirs, report.latency.p50_ms, report.latency.p99_ms])
        yield Figure(what=name, value=theirs, unit="µs a write", note=f"{theirs / ours:.1f} × ours")
    yield Table(name="peers", columns=["server", "µs a write", "p50 ms", "p99 ms"], rows=rows)
