"""One peer that sends too much or never reads, and its budgets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from websockets.frames import Opcode

from chat.app import ServerLimits
from chat.core.budgets import POSTS_IN_FLIGHT, RateBudget
from chat.core.reject import Rejection
from chat.core.room_state import Author
from chat.core.wire import Ack, Post
from chat.load import INTERVAL_SECONDS, OVERLOADED_SECONDS
from chat.web.responses import RESPONSE_SECONDS
from tests.support.in_process_server import InProcessServer, Peer
from tests.support.websocket_frames import encode_frame, encode_message

FAST = RateBudget("messages", "connection", burst=20, rate=50, reject_after=10, close_after=50)
UNLIMITED = RateBudget("messages", "connection", burst=10**9, rate=1e9)
FLOOD = FAST.burst + 2 * FAST.close_after
# Slower than any message of the others is made to wait.
PROMPT_SECONDS = 1.0
# More than the kernel's buffers of both ends hold.
SENT_LIMIT = 64 * 1_024 * 1_024
LONG_TEXT = "弹" * 100
AUTHOR = Author("g-1", "Owl")

FLOODS: dict[str, Callable[[int], bytes]] = {
    "ping_frames": lambda number: encode_frame(Opcode.PING, b"x"),
    "pong_frames": lambda number: encode_frame(Opcode.PONG) * 40,
    "ping_messages": lambda number: encode_message("ping"),
    "renames": lambda number: encode_message("rename", name=f"Owl {number}"),
    "pauses": lambda number: encode_message("pause") + encode_message("resume"),
    "rejected_posts": lambda number: encode_message("post", text=" "),
    "marks": lambda number: encode_message(
        "post", text="a" + "\u0301" * 300 + "\u0323" * 300, ref=f"k{number}"
    ),
    "bad_tokens": lambda number: encode_message("auth", token="x") + encode_message("ping"),
    "fragments": lambda number: (
        encode_frame(Opcode.TEXT, b" ", fin=False)
        + encode_frame(Opcode.CONT, b" ", fin=False) * 40
        + encode_frame(Opcode.CONT, b'{"type":"ping"}')
    ),
}


def run(scenario: Callable[[InProcessServer], Coroutine[Any, Any, None]], **limits: Any) -> None:
    async def within() -> None:
        async with asyncio.timeout(30):
            async with InProcessServer(None, ServerLimits(sweep_seconds=3600, **limits)) as server:
                await scenario(server)

    asyncio.run(within())


async def time_request(peer: Peer) -> float:
    """Return the seconds until a well-behaved peer gets a response."""
    began = time.monotonic()
    peer.send("ping")
    await peer.read_message("pong")
    return time.monotonic() - began


def test_floods_are_delayed_then_rejected_then_closed_and_others_are_served() -> None:
    async def flood(server: InProcessServer, kind: str) -> None:
        flooder = await server.connect("demo")
        for number in range(FLOOD):
            flooder.send_bytes(FLOODS[kind](number))
        codes: set[str] = set()
        while "too_many" not in codes:
            codes.add((await flooder.read_message("reject"))["code"])
        bye = await flooder.read_message("bye")
        assert bye["code"] == 4011, kind
        assert bye["reconnect_after"] > 0
        flooder.close()

    async def scenario(server: InProcessServer) -> None:
        other = await server.connect("demo")
        floods = [asyncio.create_task(flood(server, kind)) for kind in FLOODS]
        while not all(task.done() for task in floods):
            assert await time_request(other) < PROMPT_SECONDS
            await asyncio.sleep(1 / FAST.rate)
        await asyncio.gather(*floods)
        exceeded = server.read_metric("danmaku_budget_exceeded_total", budget="messages")
        assert exceeded >= len(FLOODS) * FAST.close_after
        assert server.hub.count_viewers() == 1
        other.close()

    run(scenario, messages=FAST)


def test_peer_within_its_budget_is_never_delayed() -> None:
    async def scenario(server: InProcessServer) -> None:
        peer = await server.connect("demo")
        for _ in range(FAST.burst // 2):
            assert await time_request(peer) < PROMPT_SECONDS
        assert not server.read_metric("danmaku_budget_exceeded_total", budget="messages")
        peer.close()

    run(scenario, messages=FAST)


def test_accepted_posts_cost_no_message_budget() -> None:
    async def scenario(server: InProcessServer) -> None:
        peer = await server.connect("demo")
        for number in range(FLOOD):
            peer.send("post", text=f"{number}", ref=f"k{number}")
        acked = {(await peer.read_message("ack"))["ref"] for _ in range(FLOOD)}
        assert len(acked) == FLOOD
        assert not server.read_metric("danmaku_budget_exceeded_total", budget="messages")
        peer.close()

    run(scenario, messages=FAST)


@pytest.mark.parametrize("kind", ["ping_frames", "ping_messages", "renames", "rejected_posts"])
def test_server_stops_reading_from_peer_that_reads_no_replies(kind: str) -> None:
    async def scenario(server: InProcessServer) -> None:
        peer = await server.connect("demo")
        peer.stop_reading()
        flood = b"".join(map(FLOODS[kind], range(2_000)))
        sent = 0
        while server.read_metric("danmaku_slow_viewers") != 1:
            assert sent < SENT_LIMIT
            peer.send_bytes(flood)
            sent += len(flood)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PROMPT_SECONDS / 10):
                    await peer.wait_until_sent()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(PROMPT_SECONDS):
                while sent < SENT_LIMIT:
                    peer.send_bytes(flood)
                    sent += len(flood)
                    await peer.wait_until_sent()
        peer.close()

    run(scenario, messages=UNLIMITED)


def test_peer_over_its_budget_is_forgotten_as_soon_as_its_connection_breaks() -> None:
    slow = RateBudget("messages", "connection", burst=20, rate=1)

    async def scenario(server: InProcessServer) -> None:
        flooder = await server.connect("demo")
        flooder.send_bytes(encode_message("pause") * 1_000)
        while not server.read_metric("danmaku_budget_exceeded_total", budget="messages"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        flooder.reset()
        async with asyncio.timeout(5):
            while server.hub.count_viewers():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert server.read_metric("danmaku_connections") == 0

    run(scenario, messages=slow)


def test_requests_of_a_peer_that_has_left_are_not_processed() -> None:
    async def scenario(server: InProcessServer) -> None:
        room = await server.hub.open_room("demo")
        cursor = f"{room.epoch}:{room.head}"
        heads = [f"GET /api/rooms/demo/entries?after={cursor}&wait=30", *["GET /nothing"] * 50]
        peer = await server.connect_tcp()
        peer.send_bytes(b"".join(f"{head} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for head in heads))
        while not server.read_metric("danmaku_long_polls"):  # noqa: ASYNC110
            await asyncio.sleep(0)
        peer.reset()
        await server.hub.post(room, AUTHOR, Post("wakes the poll"))
        while server.server.http._connections:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not server.read_metric("danmaku_rejected_total", code="not_found")

    run(scenario)


def test_posts_in_flight_of_a_connection_are_bounded_and_all_get_a_reply() -> None:
    count = 3 * POSTS_IN_FLIGHT.limit

    async def scenario(server: InProcessServer) -> None:
        peer = await server.connect("demo")
        for number in range(count):
            peer.send("post", text="x", ref=f"k{number}")
        most = 0.0
        refs = set()
        while len(refs) < count:
            refs.add((await peer.read_message("ack"))["ref"])
            most = max(most, server.read_metric("danmaku_pending_comments") or 0)
        assert most <= POSTS_IN_FLIGHT.limit
        peer.close()

    run(scenario)


def test_http_response_that_is_not_read_ends_its_connection() -> None:
    async def scenario(server: InProcessServer) -> None:
        room = await server.hub.open_room("demo")
        posts = [server.hub.post(room, AUTHOR, Post(LONG_TEXT)) for _ in range(300)]
        await asyncio.gather(*posts)
        request = b"GET /api/rooms/demo/entries?limit=300 HTTP/1.1\r\nHost: x\r\n\r\n"
        unread = await server.connect_tcp()
        unread.stop_reading()
        unread.send_bytes(request * 20)
        async with asyncio.timeout(20):
            while not server.read_metric("danmaku_pending_answers"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        server.server._responses.sweep(time.monotonic() + RESPONSE_SECONDS - 2)
        assert server.read_metric("danmaku_pending_answers") == 1
        server.server._responses.sweep(time.monotonic() + RESPONSE_SECONDS + 1)
        assert server.read_metric("danmaku_pending_answers") == 0
        assert server.read_metric("danmaku_unread_answers_total") == 1
        unread.close()

    run(scenario)


def test_posts_are_rejected_while_the_loop_lags_and_accepted_right_after() -> None:
    async def scenario(server: InProcessServer) -> None:
        room = await server.hub.open_room("demo")
        assert isinstance(await server.hub.post(room, AUTHOR, Post("before")), Ack)
        await asyncio.sleep(0)
        # What a flood of work does to the loop, in pieces.
        while not server.server._load.is_overloaded:
            time.sleep(OVERLOADED_SECONDS + 2 * INTERVAL_SECONDS)  # noqa: ASYNC251
            await asyncio.sleep(0)
        rejected = await server.hub.post(room, AUTHOR, Post("meanwhile"))
        assert isinstance(rejected, Rejection)
        assert rejected.code == "busy"
        assert rejected.retry_after
        began = time.monotonic()
        while server.server._load.is_overloaded:  # noqa: ASYNC110
            await asyncio.sleep(INTERVAL_SECONDS)
        assert time.monotonic() - began < 5
        assert isinstance(await server.hub.post(room, AUTHOR, Post("after")), Ack)
        assert json.loads(room.recent(1)[0])["text"] == "after"

    run(scenario)
