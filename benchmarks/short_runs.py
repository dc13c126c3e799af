"""Short measurements of one server, for the comparison of two commits.

Each returns its measures by name; less is better in all of them. The sizes are such that a run
takes about five seconds, most of which is the measurement itself: the figures are for ratios
between two runs and are not comparable with those of the scenarios of the same name.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.harness import Harness, cost
from benchmarks.pairs import Measures
from benchmarks.scenarios.upgrade import open_all
from benchmarks.upgrades import REPEATED_HEADER, Connections

HISTORY = 50
WATCH_SECONDS = 3.0  # a tenth of a round of pings


def run_write(harness: Harness) -> Measures:
    """Measure 3,000 viewers at 10 comments a second, each a wave of its own."""
    with harness.start_server() as server:
        report = harness.load(server, harness.viewers(3000), 10, 2.5)
    return {"CPU per write, µs": cost(report), "p99, ms": report.latency.p99_ms}


def run_coalescing(harness: Harness) -> Measures:
    """Measure 3,000 viewers at 400 comments a second, several in each write."""
    with harness.start_server("--delivery-rate", "0") as server:
        report = harness.load(server, harness.viewers(3000), 400, 2.5)
    return {"CPU per delivery, µs": cost(report), "p99, ms": report.latency.p99_ms}


def run_idle(harness: Harness) -> Measures:
    """Measure 4,000 viewers of a room without comments; they answer pings."""
    viewers = harness.viewers(4000)
    with harness.start_server() as server:
        connections = Connections(server.port, "/ws/bench?history=0")
        try:
            connections.open(1)
            memory = server.memory()
            connections.open(viewers)
            memory, cpu = server.memory() - memory, server.cpu()
            connections.watch(WATCH_SECONDS)
            cpu = server.cpu() - cpu
        finally:
            connections.close()
    return {
        "memory per viewer, KiB": memory / viewers / 1024,
        "CPU per viewer and second, µs": cpu * 1e6 / viewers / WATCH_SECONDS,
    }


def run_ingress(harness: Harness) -> Measures:
    """Measure 2,000 viewers that post 3,000 comments a second together."""
    with harness.start_server() as server:
        report = harness.load(server, harness.viewers(2000), 3000, 2.5)
    assert report.server is not None
    return {
        "CPU per accepted comment, µs": (
            report.server.cpu_share * report.seconds * 1e6 / max(1, report.acked)
        ),
        "p99 until the ack, ms": report.ack_latency.p99_ms,
    }


def run_storm(harness: Harness) -> Measures:
    """Measure 3,000 viewers that connect at once and are sent 50 entries of history."""
    with harness.start_server() as server:
        harness.load(server, 2 * HISTORY, 2 * HISTORY, 1)
        rates = open_all(server, harness.viewers(3000), b"", HISTORY)
    return {"CPU per handshake, µs": 1e6 / rates.by_cpu}


def run_upgrade(harness: Harness) -> Measures:
    """Measure handshakes on the fast path, and those through Tornado."""
    viewers = harness.viewers(2000)
    with harness.start_server() as server:
        fast = open_all(server, viewers, b"")
        slow = open_all(server, viewers, REPEATED_HEADER)
    return {
        "fast path: CPU per handshake, µs": 1e6 / fast.by_cpu,
        "through Tornado: CPU per handshake, µs": 1e6 / slow.by_cpu,
    }


SHORT_RUNS: dict[str, Callable[[Harness], Measures]] = {
    "write": run_write,
    "coalescing": run_coalescing,
    "idle": run_idle,
    "ingress": run_ingress,
    "storm": run_storm,
    "upgrade": run_upgrade,
}
