"""What the simulated clients use of a connection: a stream of bytes, HTTP and WebSocket on it.

Independent of the program's own code: frames are decoded by the ``websockets`` package.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from websockets.frames import Frame, Opcode

from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import SimulatedSocket
from tests.support.websocket_frames import FrameDecoder, encode_frame

OPEN_SECONDS = 10.0
CHUNK = 16 * 1_024
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)

Message = dict[str, Any]


class Stream:
    """A connection of a client. Errors are those of the socket."""

    def __init__(self, loop: SimulatedLoop, socket: SimulatedSocket, chunk: int = CHUNK) -> None:
        self._loop = loop
        self.socket = socket
        self._chunk = chunk
        self._unsent = bytearray()
        self._buffer = bytearray()
        self._waiter: asyncio.Future[None] | None = None
        self._is_over = False

    async def connect(self) -> None:
        """Wait until the connection is made; raises OSError if it is refused."""
        self._waiter = self._loop.create_future()
        self._loop.add_writer(self.socket.number, self._wake)
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._loop.remove_writer(self.socket.number)
        if not self.socket.is_connected:
            raise ConnectionRefusedError

    async def read(self) -> bytes:
        """Return what has arrived, waiting for it; empty at the end."""
        if self._buffer:
            data = bytes(self._buffer)
            self._buffer.clear()
            return data
        while True:
            try:
                return self.socket.recv(self._chunk)
            except BlockingIOError:
                self._waiter = self._loop.create_future()
                self._loop.add_reader(self.socket.number, self._wake)
                try:
                    await self._waiter
                finally:
                    self._waiter = None
                    if not self.socket.is_closed:
                        self._loop.remove_reader(self.socket.number)

    async def read_head(self) -> bytes:
        """Return the head of a response; what follows it is read next."""
        data = bytearray()
        while b"\r\n\r\n" not in data:
            more = await self.read()
            if not more:
                raise EOFError
            data += more
        head, _, rest = bytes(data).partition(b"\r\n\r\n")
        self._buffer += rest
        return head

    async def read_response(self) -> tuple[int, Message]:
        """Return the status and the JSON of a response."""
        head = await self.read_head()
        match = _LENGTH.search(head)
        assert match is not None, head
        size, body = int(match[1]), bytearray()
        while len(body) < size:
            more = await self.read()
            if not more:
                raise EOFError
            body += more
        self._buffer += body[size:]
        return int(head.split(b" ", 2)[1]), msgspec.json.decode(body[:size])

    def write(self, data: bytes) -> None:
        """Send, now and whenever there is space; does nothing once the connection is broken."""
        if self.socket.is_closed:
            return
        self._unsent += data
        if len(self._unsent) == len(data):
            self._send()

    def _send(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self.socket.send(self._unsent)]
        except BlockingIOError:
            self._loop.add_writer(self.socket.number, self._send_more)
        except OSError:
            self._unsent.clear()  # a read reports it

    def _send_more(self) -> None:
        self._loop.remove_writer(self.socket.number)
        self._send()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Close without a goodbye, and end a read that waits."""
        self.socket.reset()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ConnectionResetError())


def build_upgrade(target: str, *, deflate: bool) -> bytes:
    extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else ""
    return (
        f"GET {target} HTTP/1.1\r\nHost: danmaku.test\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extension}\r\n"
    ).encode()


def build_request(method: str, target: str, body: object = None, token: str = "") -> bytes:
    head = f"{method} {target} HTTP/1.1\r\nHost: danmaku.test\r\n"
    if token:
        head += f"Authorization: Bearer {token}\r\n"
    data = b"" if body is None else msgspec.json.encode(body)
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


class Frames:
    """The frames of one WebSocket connection; pings are answered."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decoder = FrameDecoder()

    def feed(self, data: bytes) -> Iterator[Message | None]:
        """Yield the messages that are complete; None for a close frame."""
        for frame in self._decoder.feed(data):
            if frame.opcode is Opcode.TEXT:
                yield msgspec.json.decode(frame.data)
            elif frame.opcode is Opcode.PING:
                self._stream.write(encode_frame(Opcode.PONG, frame.data))
            elif frame.opcode is Opcode.CLOSE:
                yield None

    def send(self, message: Message) -> None:
        self._stream.write(Frame(Opcode.TEXT, msgspec.json.encode(message)).serialize(mask=True))

    def send_close(self) -> None:
        self._stream.write(encode_frame(Opcode.CLOSE, b"\x03\xe8"))
