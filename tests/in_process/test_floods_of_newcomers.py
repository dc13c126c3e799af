"""Many peers that connect at once: who is served, who is refused, and what waits."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from chat.app import ServerLimits
from tests.support.certificates import Certificate
from tests.support.in_process_server import InProcessServer

NEWCOMERS = 60
SECONDS = 20


def test_tls_handshakes_wait_for_their_turn_and_all_are_served(certificate: Certificate) -> None:
    async def request(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=certificate.trust)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        line = await reader.readline()
        writer.close()
        return line

    async def steps() -> None:
        async with InProcessServer(certificate) as server, asyncio.timeout(SECONDS):
            requests = [
                asyncio.ensure_future(request(server.server.port)) for _ in range(NEWCOMERS)
            ]
            most = 0.0
            while not all(one.done() for one in requests):
                await asyncio.sleep(0)
                most = max(most, server.read_metric("danmaku_waiting_tls_handshakes") or 0)
            assert {one.result() for one in requests} == {b"HTTP/1.1 200 OK\r\n"}
            assert most > 0
            assert server.read_metric("danmaku_waiting_tls_handshakes") == 0

    asyncio.run(steps())


def test_viewers_over_the_limit_are_told_so_and_too_many_of_them_are_disconnected() -> None:
    async def steps() -> None:
        limits = ServerLimits(refused=2)
        async with InProcessServer(limits=limits, max_viewers=1) as server:
            viewer = await server.connect("demo")
            refused = [await server.ask("demo") for _ in range(limits.refused)]
            for peer in refused:
                await peer.read_head()
                assert (await peer.read_message("bye"))["code"] == 1013
            late = await server.ask("demo")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await late.read_head()
            # One that has left makes room for the next.
            refused[0].close()
            async with asyncio.timeout(SECONDS):
                while True:
                    next_peer = await server.ask("demo")
                    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                        await next_peer.read_head()
                        break
            assert (await next_peer.read_message("bye"))["code"] == 1013
            viewer.send("ping")
            await viewer.read_message("pong")

    asyncio.run(steps())
