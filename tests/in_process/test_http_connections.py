"""HTTP connections of one address: how many there may be, and what is left of them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from chat.core.budgets import DELAYED_REFUSALS, HTTP_CONNECTIONS, LONG_POLLS
from chat.environment import SYSTEM_CLOCK, Clock
from tests.support.in_process_server import UPGRADE, InProcessServer

# How Tornado calls the peer of a socket that is no internet socket.
ADDRESS = "0.0.0.0"
REQUEST = b"GET /api/rooms HTTP/1.1\r\nHost: x\r\n\r\n"


# No budget is refilled meanwhile.
FROZEN = Clock(monotonic=lambda: 1_000.0)


def run(
    scenario: Callable[[InProcessServer], Coroutine[Any, Any, None]], clock: Clock = SYSTEM_CLOCK
) -> None:
    async def within() -> None:
        async with asyncio.timeout(20), InProcessServer(clock=clock) as server:
            await scenario(server)

    asyncio.run(within())


class Client:
    """One end of a connection that the server takes to be from an address."""

    def __init__(self, server: InProcessServer, address: str = ADDRESS) -> None:
        self._socket, other = socket.socketpair()
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._server, self._other, self._address = server, other, address

    async def connect(self, first: bytes = REQUEST) -> bytes:
        """Send the first bytes, and return what comes; nothing if the server closes."""
        await self.send(first)
        self._server.accept(self._other, self._address)
        return await self.read()

    async def send(self, data: bytes) -> None:
        await self._loop.sock_sendall(self._socket, data)

    async def read(self) -> bytes:
        try:
            return await self._loop.sock_recv(self._socket, 65_536)
        except ConnectionResetError:
            return b""

    def close(self) -> None:
        self._socket.close()


async def wait_until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - tasks of the server have to end
        await asyncio.sleep(0.001)


def fill(server: InProcessServer) -> None:
    """Let an address have all connections but one."""
    for _ in range(HTTP_CONNECTIONS.limit - 1):
        assert server.connections.peers.add_http_connection(ADDRESS)


def test_connection_over_the_budget_of_its_address_is_closed_at_once() -> None:
    async def scenario(server: InProcessServer) -> None:
        fill(server)
        last = Client(server)
        assert (await last.connect()).startswith(b"HTTP/1.1 200 ")
        assert await Client(server).connect() == b""
        exceeded = server.read_metric("danmaku_budget_exceeded_total", budget="http_connections")
        assert exceeded == 1
        assert (await Client(server, "192.0.2.2").connect()).startswith(b"HTTP/1.1 200 ")
        # It is kept alive, and answers further requests.
        await last.send(REQUEST)
        assert (await last.read()).startswith(b"HTTP/1.1 200 ")
        last.close()
        peers = server.connections.peers
        await wait_until(lambda: peers.add_http_connection(ADDRESS))

    run(scenario)


def test_connection_that_became_a_websocket_is_not_counted_any_more() -> None:
    async def scenario(server: InProcessServer) -> None:
        fill(server)
        for room in ("new", "new", "open"):
            upgrade = UPGRADE.format(target=f"/ws/{room}", host="x", more="").encode()
            answer = await Client(server).connect(upgrade)
            assert answer.startswith(b"HTTP/1.1 101 "), answer
        assert (await Client(server).connect()).startswith(b"HTTP/1.1 200 ")

    run(scenario)


@pytest.mark.parametrize("requests", [b"", REQUEST, REQUEST * 100], ids=["0", "1", "100"])
def test_long_poll_that_is_reset_with_other_requests_behind_it_leaves_nothing(
    requests: bytes,
) -> None:
    async def scenario(server: InProcessServer) -> None:
        await server.hub.open_room("demo")
        peer = await server.connect_tcp()
        poll = b"GET /api/rooms/demo/entries?after=0:0&wait=30 HTTP/1.1\r\nHost: x\r\n\r\n"
        peer.send_bytes(poll + requests)
        await wait_until(lambda: server.read_metric("danmaku_long_polls") == 1)
        peer.reset()
        await wait_until(lambda: server.read_metric("danmaku_long_polls") == 0)
        # The server still answers, and others still follow the room.
        other = await server.connect("demo")
        other.close()

    run(scenario)


def test_address_far_over_its_requests_is_delayed_then_disconnected() -> None:
    async def scenario(server: InProcessServer) -> None:
        peers = server.connections.peers
        while peers.admit_request(ADDRESS) is None:
            pass
        delayed = [Client(server) for _ in range(DELAYED_REFUSALS.limit)]
        answers = [asyncio.create_task(client.connect()) for client in delayed]
        exceeded = "danmaku_budget_exceeded_total"
        await wait_until(lambda: (server.read_metric(exceeded, budget="requests") or 0) >= 101)
        assert await Client(server).connect() == b""
        assert server.read_metric(exceeded, budget="delayed_refusals") == 1
        for answer in await asyncio.gather(*answers):
            assert answer.startswith(b"HTTP/1.1 429 ")
            assert b"\r\nRetry-After: 1\r\n" in answer

    run(scenario, FROZEN)


def test_files_are_refused_with_the_time_to_wait_when_an_address_requests_too_many() -> None:
    async def scenario(server: InProcessServer) -> None:
        while server.connections.peers.admit_page(ADDRESS) is None:
            pass
        for path in (b"/static/favicon.svg", b"/", b"/metrics"):
            request = b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n"
            answer = await Client(server).connect(request)
            assert answer.startswith(b"HTTP/1.1 429 "), answer
            assert b"\r\nRetry-After: 1\r\n" in answer
        answer = await Client(server).connect(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")

    run(scenario, FROZEN)


def test_short_polls_take_no_place_of_long_polls() -> None:
    async def scenario(server: InProcessServer) -> None:
        await server.hub.open_room("demo")
        with contextlib.ExitStack() as held:
            for _ in range(LONG_POLLS.limit):
                held.enter_context(server.connections.peers.hold_long_poll(ADDRESS))
            for wait, status in ((b"0", b"200"), (b"5", b"429")):
                request = b"GET /api/rooms/demo/entries?after=0:0&wait=%s HTTP/1.1\r\n" % wait
                answer = await Client(server).connect(request + b"Host: x\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 " + status), answer

    run(scenario, FROZEN)
