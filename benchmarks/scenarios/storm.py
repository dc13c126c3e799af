"""A storm: everybody connects at once, beside the `websockets` library.

Ours sends each a `welcome` with 50 entries of history; `websockets` accepts and sends one short
message. Handshakes a second on one core are told by the server's CPU: what a core could do with
nothing else on it. The rate by the clock is told too, and is lower where the load's core, which
makes as many handshakes, is the one that is full.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, median, spread
from benchmarks.figures import Figure
from chat.loadtest import Report

AT_ONCE = 1e6  # viewers a second: as fast as it goes
HISTORY = 50


def measure(bench: Bench) -> Iterator[Figure]:
    viewers = bench.viewers(5000)

    def run_ours() -> Report:
        with bench.ours() as server:
            bench.load(server, 2 * HISTORY, 2 * HISTORY, 1)  # so that there is a history
            return bench.load(server, viewers, 0, 0.5, connect_rate=AT_ONCE, history=HISTORY)

    def run_plain() -> Report:
        with bench.peer("plain_accept") as server:
            return bench.load(server, viewers, 0, 0.5, connect_rate=AT_ONCE)

    plain, ours = bench.alternate(3, run_plain, run_ours)
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
        what="viewers that did not come in",
        value=sum(report.viewers - report.connected for report in ours),
        at_most=0,
    )


def by_cpu(report: Report) -> float:
    """How many handshakes fit into a second of the server's CPU."""
    assert report.server is not None
    return 1e6 / report.server.us_per_connect
