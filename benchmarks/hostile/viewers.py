"""What each flood of one peer does to 500 viewers of the same room at 20 comments a second."""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.hostile.floods import Counts
from benchmarks.hostile.probe import Probe
from benchmarks.hostile.side import Figures, Side

VIEWERS, RATE = 500, 20.0
SECONDS = 4.0
MEBIBYTE = 2**20
FLOODS = (
    "comments",
    "pings",
    "tiny frames",
    "fragments",
    "renames",
    "pauses",
    "handshakes",
    "polls",
    "room names",
)
NO_FLOOD = "none"
ADDRESS_FLOODS = ("handshakes", "polls", "room names")
"""Those that only the budgets of an address bound."""


class Seen(NamedTuple):
    """What the viewers and the server saw of a flood."""

    p99_ms: float
    lag_ms: float
    memory_mib: float
    counts: Counts


def measure_flood(side: Side, kind: str, viewers: int, seconds: float) -> Seen:
    """Return what a flood does, or what is without one (``NO_FLOOD``)."""
    with side.start() as server, Probe(server.port) as probe:
        if kind == NO_FLOOD:
            report, counts = side.load(server, viewers, RATE, seconds), Counts()
        else:
            with side.flood(kind, server) as flood:
                report = side.load(server, viewers, RATE, seconds)
            counts = flood.counts
    assert report.server is not None
    grown = report.server.memory_peak_bytes - report.server.memory_before_bytes
    return Seen(report.latency.p99_ms, probe.p99_ms, grown / MEBIBYTE, counts)


def to_figures(seen: Seen) -> Figures:
    """Return the figures by name."""
    return {
        "p99 of the viewers, ms": seen.p99_ms,
        "loop lag p99, ms": seen.lag_ms,
        "memory, MiB": seen.memory_mib,
    }
