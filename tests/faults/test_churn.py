"""Viewers join, post and leave continuously: the server frees all their resources."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from tests.faults.conftest import CHURN_SECONDS
from tests.support.recorded_clients import RecordedClients, Viewer
from tests.support.server_metrics import wait_for_metric
from tests.support.server_process import ServerProcess

StartServer = Callable[..., ServerProcess]

FILL_SECONDS = min(CHURN_SECONDS / 3, 300)
PASSERS_BY = 20
STAY_SECONDS = 0.2
ROOMS = 5
MEBIBYTE = 1024 * 1024
GONE_SECONDS = 20


async def come_and_go(url: str, room: str, end: float, dice: random.Random) -> None:
    while time.monotonic() < end:
        viewer = Viewer(url, f"{room}-{dice.randrange(ROOMS)}", "passer-by")
        following = asyncio.ensure_future(viewer.follow())
        await viewer.wait_until(lambda viewer=viewer: viewer.joins > 0, 20)
        for _ in range(dice.randrange(3)):
            await viewer.post(f"hello {dice.random()}")
        if dice.random() < 0.5:
            await viewer.wait_until(lambda viewer=viewer: not viewer.waiting, 20)
        await asyncio.sleep(dice.random() * STAY_SECONDS)
        following.cancel()  # with or without a close frame, by chance
        await asyncio.gather(following, return_exceptions=True)


def test_churn_leaks_no_memory_descriptor_task_or_viewer(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0")

    async def churn(seconds: float) -> dict[str, float]:
        end = time.monotonic() + seconds
        dice = random.Random(7)
        await asyncio.gather(
            *(come_and_go(server.ws_url, room, end, dice) for _ in range(PASSERS_BY))
        )
        for name in ("danmaku_connections", "danmaku_viewers"):
            await wait_for_metric(server, name, lambda value: value == 0, GONE_SECONDS)
        return {
            name: await wait_for_metric(server, name, limit, GONE_SECONDS)
            for name, limit in limits.items()
        }

    limits: dict[str, Callable[[float], bool]] = {
        "process_open_fds": lambda _: True,
        "danmaku_tasks": lambda _: True,
        "process_resident_memory_bytes": lambda _: True,
    }

    async def steps() -> None:
        async with RecordedClients(server.ws_url, room, posters=1, watchers=1) as clients:
            await clients.flush()
        # The first round fills what is kept on purpose: rooms, their histories, SQLite's cache.
        before = await churn(FILL_SECONDS)
        limits["process_open_fds"] = lambda value: value <= before["process_open_fds"]
        limits["danmaku_tasks"] = lambda value: value <= before["danmaku_tasks"]
        grown = before["process_resident_memory_bytes"] + 24 * MEBIBYTE
        limits["process_resident_memory_bytes"] = lambda value: value < grown
        after = await churn(CHURN_SECONDS)
        for name, value in before.items():
            print(f"{name}: {value:,.0f} before, {after[name]:,.0f} after")

    asyncio.run(steps())
