"""A flood of messages from one peer: its cost and the effect on others are bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psutil
import pytest

from benchmarks.hostile.floods import MESSAGES, REQUESTERS, ROOM, Counts, Flood
from benchmarks.hostile.probe import Probe
from chat.core.budgets import HANDSHAKES, REQUESTS, ROOM_OPENINGS, RateBudget
from chat.core.budgets import MESSAGES as BUDGET
from chat.loadtest import Options, run
from tests.faults.conftest import LONG
from tests.support.server_process import ServerProcess

VIEWERS, SECONDS = (500, 10.0) if LONG else (50, 2.0)
COMMENTS_PER_SECOND = 20.0
SLOWER = 1.2
MEBIBYTE = 1024 * 1024
MEMORY = 30 * MEBIBYTE
# What a busy machine adds to latencies: `make faults` has it to itself.
NOISE_MS = 20 if LONG else 500
LAG_MS = 50 if LONG else 500
CLIENT = "203.0.113.7"  # loopback has no budgets of an address
CPU_SHARE = 0.25  # of a core; a flood without budgets takes all of it
ADDRESS_CPU_SHARE = 0.5  # the budgets of an address are larger, for those who share it


class Seen(NamedTuple):
    """What the viewers and the server saw in one run; ``seconds`` includes connecting."""

    p99_ms: float
    lag_ms: float
    cpu: float
    memory: int
    seconds: float
    flood: Counts


@pytest.fixture(scope="module")
def limited_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with the default limits, also of posts; loopback is its reverse proxy."""
    database = tmp_path_factory.mktemp("server") / "danmaku.db"
    running = ServerProcess(database, "--trusted-proxies", "127.0.0.1").start()
    yield running
    running.close()


def follow(server: ServerProcess, kind: str | None) -> Seen:
    """Let viewers follow a room and post, beside a flood if there is one."""
    assert server.process is not None
    process = psutil.Process(server.process.pid)
    options = Options(
        f"{server.ws_url}/ws/{ROOM}", viewers=VIEWERS, rate=COMMENTS_PER_SECOND, duration=SECONDS
    )
    memory, cpu = process.memory_info().rss, sum(process.cpu_times()[:2])
    flood = None if kind is None else Flood(kind, server.port, forwarded=CLIENT)
    with Probe(server.port) as probe:
        if flood is None:
            report = run(options)
        else:
            with flood:
                report = run(options)
    assert report.faults == []
    return Seen(
        report.latency.p99_ms,
        probe.p99_ms,
        sum(process.cpu_times()[:2]) - cpu,
        process.memory_info().rss - memory,
        len(probe.seconds) * 0.02,
        Counts() if flood is None else flood.counts,
    )


@pytest.fixture(scope="module")
def undisturbed(limited_server: ServerProcess) -> Seen:
    """What viewers see without a flood."""
    return follow(limited_server, None)


@pytest.mark.parametrize("kind", MESSAGES)
def test_flood_of_messages_is_bounded_and_others_hardly_notice(
    limited_server: ServerProcess, undisturbed: Seen, kind: str
) -> None:
    seen = follow(limited_server, kind)
    print(f"{kind}: {seen}; without: {undisturbed}")
    # Besides its answers, the flood's connection gets the batches that all viewers get.
    batches = (COMMENTS_PER_SECOND + 5) * seen.seconds
    connections = seen.flood.connections
    assert seen.flood.answers < connections * BUDGET.burst + BUDGET.rate * seen.seconds + batches
    assert seen.cpu - undisturbed.cpu < CPU_SHARE * SECONDS
    assert seen.memory < MEMORY
    assert seen.p99_ms < SLOWER * undisturbed.p99_ms + NOISE_MS
    assert seen.lag_ms < LAG_MS


@pytest.mark.parametrize(
    ("kind", "budget"),
    [("handshakes", HANDSHAKES), ("polls", REQUESTS), ("room names", ROOM_OPENINGS)],
)
def test_flood_of_an_address_is_bounded_and_others_stay(
    limited_server: ServerProcess, undisturbed: Seen, kind: str, budget: RateBudget
) -> None:
    seen = follow(limited_server, kind)
    print(f"{kind}: {seen}; without: {undisturbed}")
    # Each is a second late, and the flood waits for it.
    assert 0 < seen.flood.refusals <= REQUESTERS * (seen.seconds + 5)
    assert seen.cpu - undisturbed.cpu < ADDRESS_CPU_SHARE * seen.seconds
    # It begins a moment before the first measurement.
    assert seen.flood.answers <= budget.burst + budget.rate * (seen.seconds + 5)
    assert seen.memory < MEMORY
    assert seen.p99_ms < SLOWER * undisturbed.p99_ms + NOISE_MS
    assert seen.lag_ms < LAG_MS
