"""The server is killed, stopped and frozen while clients post."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import signal
import statistics
import time
from collections.abc import Callable

import pytest

from chat.client import Client
from chat.core.comment import Comment
from tests.faults.conftest import LONG
from tests.support.recorded_clients import RecordedClients, restart
from tests.support.server_process import ServerProcess
from tests.support.tracing import strace

StartServer = Callable[..., ServerProcess]

RATE = 200
KILLS = 100 if LONG else 20
CLIENT_KILLS = 20 if LONG else 2
ENDS = 10
POST_BURST = 5
FROZEN_SECONDS = [5, 30] if LONG else [5]


def test_kills_lose_no_acked_comment_and_leave_no_unreported_gap(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0")

    async def steps() -> list[float]:
        ready_times = []
        async with RecordedClients(server.ws_url, room) as clients:
            async with clients.posting(RATE), clients.changing_settings(server):
                for _ in range(KILLS):
                    # Somewhere in the middle of things: after some acks, at no certain point.
                    await clients.wait_for_acks(20)
                    ready_times.append(await restart(server, server.kill))
            await clients.flush()
        assert clients.violations(server.database) == []
        assert len(clients.acked) >= KILLS * 20
        assert len(clients.settings_responses) >= KILLS
        return ready_times

    ready_times = asyncio.run(steps())
    median, longest = statistics.median(ready_times), max(ready_times)
    print(f"ready again after {median:.1f} s, {longest:.1f} s at most")
    assert max(ready_times) <= 3, ready_times


def test_python_client_gets_every_comment_once_and_in_order_over_kills(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0")
    posted: list[str] = []
    received: list[str] = []

    async def post(client: Client) -> None:
        for number in itertools.count():
            posted.append(f"line {number}")
            await client.post(posted[-1])

    async def listen(client: Client) -> None:
        async for entry in client:
            assert isinstance(entry, Comment), entry
            received.append(entry.text)

    async def steps() -> None:
        async with Client(f"{server.ws_url}/ws/{room}") as client:
            posting = asyncio.ensure_future(post(client))
            listening = asyncio.ensure_future(listen(client))
            for _ in range(CLIENT_KILLS):
                await restart(server, server.kill)
                enough = len(posted) + 20
                async with asyncio.timeout(20):
                    while len(posted) < enough:
                        assert not listening.done(), listening.exception()
                        await asyncio.sleep(0.02)
            posting.cancel()
            await client.post("the end")
            async with asyncio.timeout(20):
                while received[-1] != "the end":  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            listening.cancel()

    asyncio.run(steps())
    # The last post was cancelled before its ack; it may have been stored or not.
    assert received in ([*posted, "the end"], [*posted[:-1], "the end"])


def test_stop_under_load_takes_at_most_5_seconds_and_all_viewers_reconnect(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0")

    async def steps() -> None:
        async with RecordedClients(server.ws_url, room) as clients:
            async with clients.posting(RATE):
                for number in range(ENDS):
                    await clients.wait_for_acks(20)
                    began = time.monotonic()

                    def end() -> None:
                        assert server.stop() == 0

                    await asyncio.to_thread(end)
                    assert time.monotonic() - began <= 5
                    began = time.monotonic()
                    await asyncio.to_thread(server.start)
                    await clients.wait_for_all(number + 2, 10)
            await clients.flush()
        assert clients.violations(server.database) == []

    asyncio.run(steps())


@pytest.mark.parametrize("seconds", FROZEN_SECONDS)
def test_frozen_server_acks_nothing_stale_and_viewers_resume(
    start_server: StartServer, room: str, seconds: float
) -> None:
    server = start_server("--post-rate", "0")

    async def steps() -> None:
        async with RecordedClients(server.ws_url, room) as clients:
            async with clients.posting(RATE):
                await clients.wait_for_acks(100)
                server.send_signal(signal.SIGSTOP)
                await asyncio.sleep(seconds)  # the fault itself
                server.send_signal(signal.SIGCONT)
                await clients.wait_for_acks(100)
            await clients.flush()
        assert clients.violations(server.database) == []

    asyncio.run(steps())


def slow_syncs(server: ServerProcess) -> contextlib.AbstractContextManager[None]:
    assert server.process is not None
    delay = "inject=fdatasync:delay_enter=700000"
    return strace(server.process.pid, "-e", "trace=fdatasync", "-e", delay, "-o", "/dev/null")


@pytest.mark.parametrize("fault", ["slow", "frozen", "killed"])
def test_post_retried_over_a_fault_costs_one_token(
    start_server: StartServer, room: str, fault: str
) -> None:
    server = start_server()  # its own limits

    async def steps() -> None:
        sync = slow_syncs(server) if fault == "slow" else contextlib.nullcontext()
        async with RecordedClients(server.ws_url, room, posters=8) as clients:
            with sync:
                if fault == "frozen":
                    server.send_signal(signal.SIGSTOP)
                # Exactly a user's burst: if one were counted twice, the last would be rejected.
                for viewer in clients.posters:
                    for number in range(POST_BURST):
                        await viewer.post(f"{viewer.history.viewer} says {number}")
                if fault == "killed":
                    await restart(server, server.kill)
                else:
                    # What was sent waits in the server or its sockets, and is sent on others too.
                    await asyncio.gather(*(viewer.leave() for viewer in clients.posters))
                if fault == "frozen":
                    server.send_signal(signal.SIGCONT)
                await clients.flush()
            assert {code for viewer in clients.posters for code in viewer.rejected} == set()
            assert len(clients.acked) == 8 * POST_BURST
        assert clients.violations(server.database) == []

    asyncio.run(steps())
