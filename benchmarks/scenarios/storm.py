"""Storm: all viewers connect at once, next to the `websockets` library.

Our server sends each a `welcome` with 50 entries of history; `websockets` accepts and sends one
short message. Handshakes a second on one core are computed from the server's CPU time. The rate by
the clock is lower where the load's core, which makes as many handshakes, is the one that is busy
all the time.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.harness import Harness, median, spread
from chat.loadtest import Report

AT_ONCE = 1e6  # viewers a second: as fast as possible
HISTORY = 50


def measure(harness: Harness) -> Iterator[Figure]:
    viewers = harness.viewers(5000)

    def run_ours() -> Report:
        with harness.start_server() as server:
            harness.load(server, 2 * HISTORY, 2 * HISTORY, 1)  # a history to send
            return harness.load(server, viewers, 0, 0.5, connect_rate=AT_ONCE, history=HISTORY)

    def run_plain() -> Report:
        with harness.start_peer("plain_accept") as server:
            return harness.load(server, viewers, 0, 0.5, connect_rate=AT_ONCE)

    plain, ours = harness.alternate(3, run_plain, run_ours)
    yield Figure(what="websockets: handshakes a second by CPU", value=median(map(by_cpu, plain)))
    yield Figure(what="ours: handshakes a second by CPU", value=median(map(by_cpu, ours)))
    yield Figure(
        line="10",
        what="handshakes a second on one core, times websockets'",
        value=median(map(by_cpu, ours)) / median(map(by_cpu, plain)),
        unit="×",
        at_least=1,
        note=spread(by_cpu(o) / by_cpu(p) for p, o in zip(plain, ours, strict=True)),
    )
    yield Figure(
        what="websockets: handshakes a second by the clock",
        value=median(report.connects_per_second for report in plain),
    )
    yield Figure(
        what="ours: handshakes a second by the clock",
        value=median(report.connects_per_second for report in ours),
    )
    yield Figure(
        line="10",
        what="viewers that did not connect",
        value=sum(report.viewers - report.connected for report in ours),
        at_most=0,
    )


def by_cpu(report: Report) -> float:
    """Return the handshakes for each second of the server's CPU time."""
    assert report.server is not None
    return 1e6 / report.server.us_per_connect
