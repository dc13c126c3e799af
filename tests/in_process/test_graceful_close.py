"""How a WebSocket connection ends: the last bytes arrive, and the descriptor is freed."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.frames import Opcode

from chat.app import ServerLimits
from chat.core.handshake import PREFIX
from tests.support.certificates import Certificate
from tests.support.in_process_server import UPGRADE, InProcessServer
from tests.support.websocket_frames import (
    close_code_of,
    encode_close,
    encode_frame,
    encode_message,
)

LONG = 3600.0
PING = encode_message("ping")


@asynccontextmanager
async def raw_socket(server: InProcessServer) -> AsyncIterator[socket.socket]:
    """A socket that has sent an upgrade, for a test that writes and closes as it likes."""
    with socket.socket() as peer:
        peer.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(peer, ("127.0.0.1", server.server.port))
        request = UPGRADE.format(target=f"{PREFIX}demo", host="x", more="")
        await loop.sock_sendall(peer, request.encode())
        yield peer


async def receive_until(peer: socket.socket, end: bytes) -> bytes:
    """Return what comes up to ``end``; all of it when that is empty."""
    received = b""
    async with asyncio.timeout(20):
        while not end or end not in received:
            data = await asyncio.get_running_loop().sock_recv(peer, 1 << 16)
            if not data:
                break
            received += data
    return received


async def wait_until_closed(descriptors: int) -> None:
    """Wait until this process, which has both ends, holds no more descriptors than these."""
    async with asyncio.timeout(10):
        while count_descriptors() > descriptors:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def count_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_close_frame_followed_by_data_is_answered_without_a_reset() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with InProcessServer() as server:
            for _ in range(50):
                async with raw_socket(server) as peer:
                    await receive_until(peer, b"welcome")
                    await loop.sock_sendall(peer, encode_close(1000) + PING * 200)
                    received = await receive_until(peer, b"")  # raises when it is reset
                    assert received.endswith(encode_close(1000, mask=False))

    asyncio.run(scenario())


def test_invalid_frame_followed_by_data_gets_its_close_code_and_no_reset() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with InProcessServer() as server, raw_socket(server) as peer:
            await receive_until(peer, b"welcome")
            await loop.sock_sendall(peer, encode_frame(3) + PING * 2_000)
            assert b'{"type":"bye","code":1002' in await receive_until(peer, b"")

    asyncio.run(scenario())


def test_peer_that_closes_after_its_bye_costs_no_descriptor_from_then_on() -> None:
    async def scenario() -> None:
        limits = ServerLimits(sweep_seconds=LONG, close_seconds=LONG)
        async with InProcessServer(limits=limits) as server:
            server.connections._max_viewers = 0
            await (await server.ask("demo")).read_head()
            before = count_descriptors()
            for _ in range(100):
                async with raw_socket(server) as peer:
                    received = await receive_until(peer, b"")  # the server has shut down its side
                    assert b'"code":1013' in received
            await wait_until_closed(before)

    asyncio.run(scenario())


def test_peer_that_never_closes_is_closed_when_its_time_is_over() -> None:
    async def scenario() -> None:
        async with InProcessServer(limits=ServerLimits(close_seconds=0.05)) as server:
            before = count_descriptors()
            async with raw_socket(server) as peer:
                await receive_until(peer, b"welcome")
                await asyncio.get_running_loop().sock_sendall(peer, encode_close(1000))
                await receive_until(peer, b"")
                await wait_until_closed(before + 1)

    asyncio.run(scenario())


def test_peer_that_sends_without_end_after_the_close_is_closed() -> None:
    async def scenario() -> None:
        limits = ServerLimits(close_seconds=LONG)
        async with InProcessServer(limits=limits) as server, raw_socket(server) as peer:
            loop = asyncio.get_running_loop()
            await receive_until(peer, b"welcome")
            await loop.sock_sendall(peer, encode_close(1000))
            with pytest.raises(ConnectionError):
                async with asyncio.timeout(20):
                    while True:
                        await loop.sock_sendall(peer, bytes(1 << 16))

    asyncio.run(scenario())


def test_message_after_the_bye_does_nothing() -> None:
    async def scenario() -> None:
        async with InProcessServer(limits=ServerLimits(sweep_seconds=LONG)) as server:
            peer = await server.connect("demo")
            (connection,) = [one for slot in server.connections._slots for one in slot]
            server.connections.reject_join(connection)
            peer.send("post", text="too late")
            assert (await peer.read_message("bye"))["code"] == 4010
            assert await peer.read_close() == 4010
            peer.close()
            async with asyncio.timeout(10):
                while server.read_metric("danmaku_connections"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert server.hub.find_room("demo").head == 0

    asyncio.run(scenario())


def test_tls_peer_that_answers_the_bye_reads_all_of_it(certificate: Certificate) -> None:
    async def scenario() -> None:
        limits = ServerLimits(sweep_seconds=LONG, close_seconds=LONG)
        async with InProcessServer(certificate, limits) as server:
            peer = await server.connect("demo")
            (connection,) = [one for slot in server.connections._slots for one in slot]
            server.connections.reject_join(connection)
            frame = await peer.read(Opcode.CLOSE)
            assert close_code_of(frame) == 4010
            peer.close()
            async with asyncio.timeout(10):
                while server.read_metric("danmaku_connections"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    asyncio.run(scenario())
