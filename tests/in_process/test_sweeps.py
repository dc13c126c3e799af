"""The periodic work of the server."""

from __future__ import annotations

import asyncio

from chat.app import ServerLimits
from tests.support.in_process_server import InProcessServer

SWEEP_SECONDS = 0.02
LAGS = "danmaku_loop_lag_seconds_count"


def test_loop_lag_is_measured_with_every_sweep() -> None:
    async def steps() -> None:
        async with InProcessServer(limits=ServerLimits(sweep_seconds=SWEEP_SECONDS)) as server:
            loop = asyncio.get_running_loop()
            began, seen = loop.time(), []
            async with asyncio.timeout(20):
                while not seen or seen[-1] < 10:
                    seen.append(server.read_metric(LAGS))
                    await asyncio.sleep(SWEEP_SECONDS / 4)
            assert seen == sorted(seen)
            assert seen[-1] <= (loop.time() - began) / SWEEP_SECONDS + 1

    asyncio.run(steps())
