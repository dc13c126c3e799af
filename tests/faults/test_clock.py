"""The machine's clock jumps an hour: order, limits and time-outs use the monotonic clock."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.recorded_clients import RecordedClients, read_archive
from tests.support.server_process import ServerProcess

StartServer = Callable[..., ServerProcess]

LIBRARIES = [
    *Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"),
    *Path("/usr/lib").glob("faketime/libfaketimeMT.so.1"),
]
HOUR_MS = 3_600_000


@pytest.fixture
def set_clock(tmp_path: Path) -> Callable[[int], None]:
    if not LIBRARIES:
        pytest.skip("needs libfaketime: apt-get install faketime")

    def write(hours: int) -> None:
        file = tmp_path / "clock.partial"
        file.write_text(f"{hours:+}h\n")
        file.rename(tmp_path / "clock")

    write(0)
    return write


def start(start_server: StartServer, tmp_path: Path, *flags: str) -> ServerProcess:
    environment = {
        "LD_PRELOAD": str(LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock"),
        "FAKETIME_NO_CACHE": "1",
        # The clock of intervals does not jump when the date is set (clock_gettime(2)).
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return start_server(*flags, environment=environment)


def test_order_and_connections_are_unaffected_by_a_clock_that_jumps(
    start_server: StartServer, room: str, tmp_path: Path, set_clock: Callable[[int], None]
) -> None:
    server = start(start_server, tmp_path, "--post-rate", "0")

    async def steps() -> None:
        async with RecordedClients(server.ws_url, room) as clients:
            async with clients.posting(100):
                for hours in (1, -1, 0):
                    await clients.wait_for_new_posts(20)
                    set_clock(hours)
                await clients.wait_for_new_posts(20)
            await clients.flush()
            assert {viewer.joins for viewer in clients.posters + clients.watchers} == {1}
        assert clients.violations(server.database) == []

    asyncio.run(steps())
    times = [body["at"] for _, body in sorted(read_archive(server.database, room).items())]
    jumps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert max(jumps) > HOUR_MS / 2
    assert min(jumps) < -HOUR_MS / 2


async def post(socket: ClientConnection, ref: str) -> dict[str, Any]:
    await socket.send(json.dumps({"type": "post", "text": "hi", "ref": ref}))
    while True:
        message = json.loads(await asyncio.wait_for(socket.recv(), 20))
        if message["type"] in ("ack", "reject") and message["ref"] == ref:
            return message


def test_rate_limit_is_unaffected_by_a_clock_that_jumps(
    start_server: StartServer, room: str, tmp_path: Path, set_clock: Callable[[int], None]
) -> None:
    server = start(start_server, tmp_path, "--post-burst", "1", "--post-rate", "0.01")

    async def steps() -> None:
        for hours in (1, -1):
            async with connect(f"{server.ws_url}/ws/{room}") as socket:
                assert (await post(socket, "k1"))["type"] == "ack"
                set_clock(hours)
                rejected = await post(socket, "k2")
                assert rejected["code"] == "too_fast"
                assert 0 < rejected["retry_after"] <= 100

    asyncio.run(steps())


def test_wait_of_the_rate_limit_is_unaffected_by_a_clock_that_jumps(
    start_server: StartServer, room: str, tmp_path: Path, set_clock: Callable[[int], None]
) -> None:
    server = start(start_server, tmp_path, "--post-burst", "1", "--post-rate", "1")

    async def steps() -> None:
        async with connect(f"{server.ws_url}/ws/{room}") as socket:
            # A slow machine may take a second for a post, which is then accepted.
            numbers = itertools.count()
            while (rejected := await post(socket, f"k{next(numbers)}"))["type"] == "ack":
                pass
            set_clock(-1)
            await asyncio.sleep(rejected["retry_after"])  # the wait that the server asked for
            assert (await post(socket, rejected["ref"]))["type"] == "ack"

    asyncio.run(steps())
