"""The price of a write beside other servers in Python.

The same 5,000 viewers and the same posts, 4 a second, for each in turn: few enough that even the
dearest keeps up on one core. At so few comments ours cannot bundle any: this is a plain comparison
of what one write costs. What it does not show is that ours writes less often when there is more to
say; `coalescing` does.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, cost
from benchmarks.figures import Figure, Table

RATE = 4
PEERS = {
    "bare_loop": "bare loop of socket.send",
    "picows_send": "picows",
    "websockets_broadcast": "websockets.broadcast",
    "tornado_write_message": "Tornado's write_message",
    "starlette_uvicorn": "Starlette with uvicorn",
}


def measure(bench: Bench) -> Iterator[Figure | Table]:
    viewers, seconds = bench.viewers(5000), bench.seconds(6)
    with bench.ours() as server:
        report = bench.load(server, viewers, RATE, seconds)
    ours = cost(report)
    rows: list[list[object]] = [["danmaku", ours, report.latency.p50_ms, report.latency.p99_ms]]
    yield Figure(what="danmaku", value=ours, unit="µs a write")
    for module, name in PEERS.items():
        with bench.peer(module) as server:
            report = bench.load(server, viewers, RATE, seconds)
        paid = cost(report)
        rows.append([name, paid, report.latency.p50_ms, report.latency.p99_ms])
        yield Figure(what=name, value=paid, unit="µs a write", note=f"{paid / ours:.1f} × ours")
    yield Table(name="peers", columns=["server", "µs a write", "p50 ms", "p99 ms"], rows=rows)
