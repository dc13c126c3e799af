"""The Python client reports entries that it misses, and the state of its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from chat.client import Client, ClientClosed, ClientLimits, Missed, PostRejected
from chat.core.comment import Comment
from chat.core.wire import Cursor
from chat.hub import RESUME_LIMIT
from tests.support.proxy import Proxy
from tests.support.server_process import ServerProcess


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(steps(), 30))


async def post_many(url: str, count: int) -> str:
    """Post ``count`` comments to a room and return its epoch."""
    async with Client(url) as client:
        await asyncio.gather(*(client.post(f"text {number}") for number in range(count)))
        assert client.cursor is not None
        return client.cursor.epoch


async def receive_until(client: Client, last: int) -> list[Any]:
    """Return what the client receives up to the comment with the seq ``last``."""
    received = []
    async for entry in client:
        received.append(entry)
        if isinstance(entry, Comment) and entry.seq == last:
            break
    return received


async def wait_for_state(client: Client, state: str) -> None:
    while client.state != state:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_client_away_too_long_gets_the_range_it_missed(server: ServerProcess, room: str) -> None:
    url, head = f"{server.ws_url}/ws/{room}", RESUME_LIMIT + 20

    async def steps() -> None:
        epoch = await post_many(url, head)
        async with Client(url, cursor=Cursor(epoch, 5), history=10) as client:
            missed, *comments = await receive_until(client, head)
        assert missed == Missed(6, head - 10, "limit", {})
        assert [comment.seq for comment in comments] == list(range(head - 9, head + 1))

    run(steps)


@pytest.mark.parametrize(("cursor", "why"), [("{}:99", "ahead"), ("0unknown:1", "epoch")])
def test_cursor_of_another_epoch_yields_missed_with_the_reason(
    server: ServerProcess, room: str, cursor: str, why: str
) -> None:
    url = f"{server.ws_url}/ws/{room}"

    async def steps() -> None:
        epoch, _, seq = cursor.format(await post_many(url, 3)).partition(":")
        async with Client(url, cursor=Cursor(epoch, int(seq))) as client:
            missed, *comments = await receive_until(client, 3)
            assert missed == Missed(0, 0, why, {})
            assert [comment.seq for comment in comments] == [1, 2, 3]
            await client.post("next")
            assert [entry.seq for entry in await receive_until(client, 4)] == [4]

    run(steps)


def test_entries_that_overflow_the_buffer_become_one_missed(
    server: ServerProcess, room: str
) -> None:
    url = f"{server.ws_url}/ws/{room}"

    async def steps() -> None:
        await post_many(url, 20)
        async with Client(url, limits=ClientLimits(buffer=5)) as client:
            missed, *comments = await receive_until(client, 20)
        assert missed == Missed(1, comments[0].seq - 1, "unread")
        assert [comment.seq for comment in comments] == list(range(missed.last + 1, 21))
        assert len(comments) <= 5

    run(steps)


def test_client_reconnects_when_its_peer_goes_silent_and_its_post_is_acked_once(
    server: ServerProcess, room: str
) -> None:
    limits = ClientLimits(quiet_seconds=0.3, response_seconds=0.3, connect_seconds=1.0)

    async def steps() -> None:
        async with (
            Proxy(server.port) as proxy,
            Client(f"{proxy.ws_url}/ws/{room}", limits=limits) as client,
        ):
            assert (await client.post("before")).seq == 1
            proxy.is_silent = True
            posting = asyncio.ensure_future(client.post("during"))
            await wait_for_state(client, "connecting")
            proxy.is_silent = False
            assert (await posting).seq == 2
            assert client.state == "live"
            assert [entry.text for entry in await receive_until(client, 2)] == ["before", "during"]

    run(steps)


def test_client_in_a_quiet_room_stays_connected_while_pings_are_answered(
    server: ServerProcess, room: str
) -> None:
    async def steps() -> None:
        limits = ClientLimits(quiet_seconds=0.02)
        async with Client(f"{server.ws_url}/ws/{room}", limits=limits) as client:
            first = client.welcome
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(client), 0.4)  # the silence itself
            assert client.welcome is first

    run(steps)


def test_state_follows_loss_failed_attempts_and_reconnection(
    start_server: Callable[..., ServerProcess], room: str
) -> None:
    server = start_server()

    async def steps() -> None:
        client = Client(f"{server.ws_url}/ws/{room}", limits=ClientLimits(longest_delay=0.1))
        assert client.state == "connecting"
        async with client:
            assert client.state == "live"
            await asyncio.to_thread(server.kill)
            await wait_for_state(client, "connecting")
            await wait_for_state(client, "offline")
            await asyncio.to_thread(server.start)
            await wait_for_state(client, "live")
        assert client.state == "offline"
        with pytest.raises(ClientClosed):
            await client.post("too late")

    run(steps)


def test_post_rejected_as_too_fast_carries_its_ref_and_retry_after(
    start_server: Callable[..., ServerProcess], room: str
) -> None:
    server = start_server("--post-burst", "1", "--post-rate", "0.5")

    async def steps() -> None:
        async with Client(f"{server.ws_url}/ws/{room}") as client:
            await client.post("first")
            with pytest.raises(PostRejected) as rejected:
                await client.post("second", ref="r2")
            assert (rejected.value.code, rejected.value.ref) == ("too_fast", "r2")
            assert 0 < rejected.value.retry_after <= 2

    run(steps)
