"""Peers that send nothing, half a request, or single bytes are disconnected at the deadline."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from chat.app import ServerLimits
from tests.support.certificates import Certificate
from tests.support.in_process_server import SECONDS, InProcessServer

DEADLINE = 1.0  # for a head, and for a body
# The kernel passes on a connection without data only seconds later.
LATEST = DEADLINE + 14
SLOW_BYTE_SECONDS = 0.1
PEERS = 500
ACK_SECONDS = 2.0
POST = "POST /api/rooms/demo/comments HTTP/1.1\r\nHost: x\r\n"
HALVES = {
    "nothing": b"",
    "half a request line": b"GET /api/ro",
    "half a head": b"GET /api/rooms HTTP/1.1\r\nHost: x\r\nX-More: ",
    "half a handshake": b"GET /ws/demo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n",
    "half a body": f'{POST}Content-Length: 40\r\n\r\n{{"text":'.encode(),
    "half a chunk": f'{POST}Transfer-Encoding: chunked\r\n\r\n20\r\n{{"text":'.encode(),
    "an answered request and half of the next": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /",
}
LIMITS = ServerLimits(header_seconds=DEADLINE, body_seconds=DEADLINE)


async def send_and_wait(port: int, data: bytes) -> float:
    """Send something, and return after how many seconds the server has closed the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    writer.write(data)
    try:
        async with asyncio.timeout(SECONDS):
            with contextlib.suppress(ConnectionError):
                while await reader.read(65_536):
                    pass
    finally:
        writer.transport.abort()
    return time.monotonic() - began


@pytest.mark.parametrize("half", HALVES)
def test_half_a_request_is_closed_at_the_deadline(half: str) -> None:
    async def steps() -> None:
        async with InProcessServer(limits=LIMITS) as server:
            took = await send_and_wait(server.server.port, HALVES[half])
        assert DEADLINE * 0.9 < took < LATEST

    asyncio.run(steps())


@pytest.mark.parametrize("data", [b"", b"\x16\x03\x01\x02"])
def test_half_a_tls_handshake_is_closed_at_the_deadline(
    certificate: Certificate, data: bytes
) -> None:
    async def steps() -> None:
        async with InProcessServer(certificate, LIMITS) as server:
            took = await send_and_wait(server.server.port, data)
        assert DEADLINE * 0.9 < took < LATEST

    asyncio.run(steps())


def test_head_sent_byte_by_byte_is_closed_at_the_deadline() -> None:
    async def steps() -> None:
        async with InProcessServer(limits=LIMITS) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.server.port)
            began = time.monotonic()
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            closed = asyncio.ensure_future(reader.read())
            while not closed.done() and time.monotonic() < began + LATEST:
                writer.write(b"x")
                await asyncio.wait([closed], timeout=SLOW_BYTE_SECONDS)
            took = time.monotonic() - began
            writer.transport.abort()
            await asyncio.gather(closed, return_exceptions=True)
        assert DEADLINE * 0.9 < took < LATEST

    asyncio.run(steps())


def test_500_half_requests_delay_no_viewer_and_leave_nothing_behind() -> None:
    async def steps() -> None:
        async with InProcessServer(limits=LIMITS) as server:
            viewer = await server.connect("demo")
            tasks = server.read_metric("danmaku_tasks")
            kinds = list(HALVES.values())
            halves = [
                asyncio.ensure_future(send_and_wait(server.server.port, kinds[number % len(kinds)]))
                for number in range(PEERS)
            ]
            slowest, number = 0.0, 0
            while not all(half.done() for half in halves):
                asked = time.monotonic()
                viewer.send("post", ref=f"{number}", text="hi")
                assert (await viewer.read_message("ack"))["ref"] == f"{number}"
                slowest = max(slowest, time.monotonic() - asked)
                number += 1
                await asyncio.sleep(SLOW_BYTE_SECONDS)
            assert max(await asyncio.gather(*halves)) < LATEST
            assert slowest < ACK_SECONDS
            assert server.read_metric("danmaku_connections") == 1
            assert server.read_metric("danmaku_tasks") == tasks

    asyncio.run(steps())
