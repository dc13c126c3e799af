"""A whole server in the test's own process and on its loop, and peers that can misbehave."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
import struct
import time
from collections import deque
from typing import Any

from tornado.iostream import IOStream
from websockets.frames import Frame, Opcode

from chat.app import Server, ServerLimits, open_resources
from chat.core.handshake import PREFIX
from chat.environment import SYSTEM_CLOCK, Clock
from chat.settings import Settings
from tests.support.certificates import Certificate
from tests.support.websocket_frames import (
    FrameDecoder,
    close_code_of,
    encode_frame,
    encode_message,
)

SECONDS = 20
# The smallest that the kernel allows, so that a peer that does not read soon stops its sender.
RECEIVE_BUFFER = 4_096
UPGRADE = (
    "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
)


class Peer:
    """A client connection that answers nothing by itself, neither pings nor close frames."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = FrameDecoder()
        self._frames: deque[Frame] = deque()

    async def read_head(self) -> bytes:
        """Return the answer to the upgrade."""
        async with asyncio.timeout(SECONDS):
            return await self._reader.readuntil(b"\r\n\r\n")

    async def read(self, *opcodes: Opcode) -> Frame:
        """Return the next frame of one of these opcodes."""
        async with asyncio.timeout(SECONDS):
            while True:
                frame = await self._read_frame()
                if frame.opcode in opcodes:
                    return frame

    async def read_message(self, *types: str) -> dict[str, Any]:
        """Return the next message of one of these types."""
        while True:
            message = json.loads((await self.read(Opcode.TEXT)).data)
            if message["type"] in types:
                return message

    async def read_close(self) -> int:
        return close_code_of(await self.read(Opcode.CLOSE))

    async def _read_frame(self) -> Frame:
        while not self._frames:
            data = await self._reader.read(1 << 16)
            assert data, "closed without a close frame"
            self._frames += self._decoder.feed(data)
        return self._frames.popleft()

    def send(self, type: str, **fields: Any) -> None:
        self._writer.write(encode_message(type, **fields))

    def send_bytes(self, data: bytes) -> None:
        self._writer.write(data)

    def send_pong(self) -> None:
        self._writer.write(encode_frame(Opcode.PONG))

    async def wait_until_sent(self) -> None:
        await self._writer.drain()

    def stop_reading(self) -> None:
        self._writer.transport.pause_reading()

    def go_on_reading(self) -> None:
        self._writer.transport.resume_reading()

    def close(self) -> None:
        self._writer.close()

    def reset(self) -> None:
        """Break the connection: the server gets a reset."""
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        self._writer.transport.abort()


class InProcessServer:
    """A server whose sweeps, one a second by default, a test can also run itself."""

    def __init__(
        self,
        certificate: Certificate | None = None,
        limits: ServerLimits | None = None,
        clock: Clock = SYSTEM_CLOCK,
        **chosen: Any,
    ) -> None:
        self._certificate = certificate
        files = certificate and {
            "certfile": str(certificate.certfile),
            "keyfile": str(certificate.keyfile),
        }
        settings = Settings(
            port=0,
            database="sqlite://",
            post_rate=0,
            delivery_rate=0,
            **(files or {}),
            **chosen,
        )
        resources = dataclasses.replace(open_resources(settings), clock=clock)
        self.server = Server(settings, resources, limits)

    async def __aenter__(self) -> InProcessServer:
        self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    @property
    def connections(self):
        return self.server.connections

    @property
    def hub(self):
        return self.server.connections.hub

    async def sweep(self, seconds: int) -> None:
        """Let so many seconds pass, as far as pings are concerned."""
        for _ in range(seconds):
            self.connections.sweep(time.monotonic())
            await asyncio.sleep(0)  # let the writes complete

    def read_metric(self, name: str, **labels: str) -> float | None:
        return self.connections.metrics.registry.get_sample_value(name, labels)

    async def connect(self, room: str) -> Peer:
        """Be let into a room."""
        peer = await self.ask(room)
        await peer.read_head()
        await peer.read_message("welcome")
        return peer

    async def ask(self, room: str, port: int = 0) -> Peer:
        """Send an upgrade for a room with its query, and wait for nothing."""
        peer = await self.connect_tcp(port)
        head = UPGRADE.format(target=f"{PREFIX}{room}", host="x", more="")
        peer.send_bytes(head.encode())
        return peer

    def accept(self, connection: socket.socket, address: str) -> None:
        """Take a connection as if it came from this address."""
        connection.setblocking(False)
        self.server.http.handle_stream(IOStream(connection), (address, 1))

    async def connect_tcp(self, port: int = 0) -> Peer:
        """Connect, and send nothing."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        sock.setblocking(False)
        where = ("127.0.0.1", port or self.server.port)
        await asyncio.get_running_loop().sock_connect(sock, where)
        trust = self._certificate and self._certificate.trust
        name = "127.0.0.1" if trust else None
        reader, writer = await asyncio.open_connection(sock=sock, ssl=trust, server_hostname=name)
        return Peer(reader, writer)
