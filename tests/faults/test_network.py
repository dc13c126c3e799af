"""Connections that are reset, delayed and split: clients that reconnect miss nothing silently."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tests.faults.conftest import LONG
from tests.support.proxy import Proxy
from tests.support.recorded_clients import RecordedClients
from tests.support.server_metrics import read_metric
from tests.support.server_process import ServerProcess

StartServer = Callable[..., ServerProcess]

RESETS = 200 if LONG else 9
SILENCE_SECONDS = 30 + 10 + 5  # between pings, for the answer, and to spare


def test_resets_delays_and_small_pieces_leave_no_unreported_gap(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0")

    async def steps() -> None:
        async with Proxy(server.port) as proxy, RecordedClients(proxy.ws_url, room) as clients:
            async with clients.posting(100):
                for number in range(RESETS):
                    proxy.delay = (0, 0.05, 0.001)[number % 3]
                    proxy.drip = (4096, 512, 128)[number % 3]
                    await clients.wait_for_acks(20, 60)
                    proxy.reset_some()
                proxy.delay, proxy.drip = 0, 4096
            await clients.flush(60)
            assert sum(viewer.joins for viewer in clients.everyone) > len(clients.everyone)
            assert [poller.unanswered for poller in clients.pollers] == [0]
        assert clients.violations(server.database) == []

    asyncio.run(steps())


if LONG:

    def test_silent_peer_is_removed_after_an_unanswered_ping(
        start_server: StartServer, room: str
    ) -> None:
        server = start_server()

        async def steps() -> None:
            async with Proxy(server.port) as proxy, RecordedClients(proxy.ws_url, room) as clients:
                connected = len(clients.posters + clients.watchers)
                assert read_metric(server, "danmaku_connections") == connected
                proxy.is_silent = True
                await asyncio.sleep(SILENCE_SECONDS)  # what is promised
                assert read_metric(server, "danmaku_connections") == 0

        asyncio.run(steps())
