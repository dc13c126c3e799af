"""Upgrade: handshakes a second on the server's fast path, next to those through Tornado.

5,000 viewers open a WebSocket as fast as the server lets them. The slow side sends one harmless
header twice, which is legal and which the fast path leaves to Tornado's handler; everything else is
the same. Handshakes a second are computed from the server's CPU time, and the rate by the clock is
given too: the load's core has little to do here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.figures import Figure, Table
from benchmarks.harness import Harness, median, spread
from benchmarks.process import Server
from benchmarks.upgrades import REPEATED_HEADER, Connections


class Rates(NamedTuple):
    """Handshakes a second."""

    by_cpu: float
    by_clock: float


def measure(harness: Harness) -> Iterator[Figure | Table]:
    viewers = harness.viewers(5000)

    def run(headers: bytes) -> Rates:
        with harness.start_server() as server:
            return open_all(server, viewers, headers)

    slow, fast = harness.alternate(3, lambda: run(REPEATED_HEADER), lambda: run(b""))
    rows: list[list[object]] = []
    for name, rates in (("fast path", fast), ("through Tornado", slow)):
        by_cpu, by_clock = [rate.by_cpu for rate in rates], [rate.by_clock for rate in rates]
        yield Figure(
            what=f"{name}: handshakes a second by CPU", value=median(by_cpu), note=spread(by_cpu)
        )
        yield Figure(
            what=f"{name}: handshakes a second by the clock",
            value=median(by_clock),
            note=spread(by_clock),
        )
        rows.append([name, median(by_cpu), median(by_clock)])
    ratios = [f.by_cpu / s.by_cpu for s, f in zip(slow, fast, strict=True)]
    yield Figure(
        what="fast path, times the handshakes through Tornado",
        value=median(ratios),
        unit="×",
        note=spread(ratios),
    )
    columns = ["upgrade", "handshakes a second by CPU", "by the clock"]
    yield Table(name="upgrade", columns=columns, rows=rows)


def open_all(server: Server, viewers: int, headers: bytes, history: int = 50) -> Rates:
    """Open that many viewers' connections, and return how fast the server was."""
    path = f"/ws/bench?history={history}"
    first, others = (Connections(server.port, path, extra) for extra in (b"", headers))
    try:
        first.open(1)  # The fast path takes requests only for a room that is open.
        before = server.cpu()
        seconds = others.open(viewers)
        return Rates(viewers / (server.cpu() - before), viewers / seconds)
    finally:
        first.close()
        others.close()
