"""The floods, each in a process of its own: `python -m benchmarks.hostile.floods KIND PORT`.

It prints `ready` once the first connections are open, goes on until SIGTERM, and then prints as
JSON what it has sent and got. A flood whose connection is closed opens it again at once.
`--forwarded ADDRESS` sends `X-Forwarded-For`, for a server that trusts it: the budgets of an
address do not apply to loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from types import TracebackType

import msgspec

from benchmarks.hostile.sockets import HEAD_END, MASK, build_message, build_upgrade
from benchmarks.process import ROOT
from chat.core.frames import PING, PONG, build_masked
from chat.descriptors import raise_descriptor_limit

ROOM = "bench"
CHUNK_BYTES = 32_768
NICENESS = 19
START_SECONDS = 20.0
STOP_SECONDS = 5.0
DEAF_SOCKETS = 20
REQUESTERS = 32
PIPELINED = 16
READ_BYTES = 65_536
RECEIVE_BUFFER = 4_096
MARKS_RATE = 35
FULL_VIEWERS = 900  # more than 1,024 descriptors allow
RETURNING_VIEWERS = 300
UNKNOWN_ROOMS = 1_500
RETRY_SECONDS = 0.001

# Combining marks that normalisation sorts, in quadratic time.
MARKS = build_message({"type": "post", "text": "a" + "\u0301" * 2_000 + "\u0323" * 2_000})
NEW_NAME = {"type": "rename", "name": "Flood"}
MESSAGES = {
    "comments": build_message({"type": "post", "text": "flood"}),
    "pings": build_masked(PING, b"", MASK) + build_message({"type": "ping"}),
    "tiny frames": build_masked(PONG, b"", MASK),
    "fragments": b"\x00\x80" + MASK,  # a continuation without payload, and without end
    "renames": build_message(NEW_NAME),
    "pauses": build_message({"type": "pause"}) + build_message({"type": "resume"}),
    "rejected posts": build_message({"type": "post", "text": ""}),
}
FIRST = {"fragments": b"\x01\x80" + MASK}


class Counts(msgspec.Struct):
    """What a flood has sent and got; ``answers``: messages, pongs, or HTTP answers."""

    connections: int = 0
    sent_bytes: int = 0
    answers: int = 0
    refusals: int = 0


class Flooder:
    """The connections of one flood."""

    def __init__(self, port: int, headers: str) -> None:
        self.port = port
        self.headers = headers
        self.counts = Counts()
        self.ready = asyncio.Event()

    async def repeat(self, attempt: Callable[[], Awaitable[None]]) -> None:
        """Attempt until cancelled; a failure counts as a refusal."""
        while True:
            try:
                await attempt()
            except (OSError, EOFError):
                self.counts.refusals += 1
                await asyncio.sleep(RETRY_SECONDS)

    async def connect(self, buffer: int = 0) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection; ``buffer`` is its receive buffer in bytes, 0 the kernel's choice."""
        opening = socket.socket()
        opening.setblocking(False)
        if buffer:
            opening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        try:
            loop = asyncio.get_running_loop()
            await loop.sock_connect(opening, ("127.0.0.1", self.port))
        except BaseException:
            opening.close()
            raise
        self.counts.connections += 1
        return await asyncio.open_connection(sock=opening)

    async def upgrade(
        self, room: str, buffer: int = 0
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a WebSocket connection. Raises OSError if it is refused."""
        reader, writer = await self.connect(buffer)
        try:
            writer.write(build_upgrade(self.port, room, self.headers))
            head = await reader.readuntil(HEAD_END)
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                raise ConnectionError(head.decode("latin-1"))
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer

    # --- messages over one connection -----------------------------------------------------------

    async def send_messages(self, kind: str) -> None:
        """Send one kind of message at line rate, and read the answers."""
        message = MESSAGES[kind]
        chunk = message * (CHUNK_BYTES // len(message))
        reader, writer = await self.upgrade(ROOM)
        self.ready.set()
        reading = asyncio.create_task(self._count_answers(reader))
        try:
            writer.write(FIRST.get(kind, b""))
            while not reading.done():
                writer.write(chunk)
                await writer.drain()
                self.counts.sent_bytes += len(chunk)
                await asyncio.sleep(0)
        finally:
            reading.cancel()
            writer.transport.abort()

    async def _count_answers(self, reader: asyncio.StreamReader) -> None:
        data = bytearray()
        while received := await reader.read(READ_BYTES):
            data += received
            at = 0
            while at + 2 <= len(data):
                size = data[at + 1]
                size, head = (size, 2) if size < 126 else (int.from_bytes(data[at + 2 : at + 4]), 4)
                if data[at + 1] == 127:
                    size, head = int.from_bytes(data[at + 2 : at + 10]), 10
                if at + head + size > len(data):
                    break
                at += head + size
                self.counts.answers += 1
            del data[:at]

    async def send_marks(self) -> None:
        """Post texts that are slow to normalise, and read the answers."""
        reader, writer = await self.upgrade(ROOM)
        self.ready.set()
        reading = asyncio.create_task(self._count_answers(reader))
        try:
            while not reading.done():
                writer.write(MARKS)
                await writer.drain()
                await asyncio.sleep(1 / MARKS_RATE)
        finally:
            reading.cancel()
            writer.transport.abort()

    async def send_and_never_read(self) -> None:
        """Send pings at line rate; read nothing but the handshake."""
        message = MESSAGES["pings"]
        chunk = message * (CHUNK_BYTES // len(message))
        reader, writer = await self.upgrade(ROOM, RECEIVE_BUFFER)
        writer.transport.pause_reading()
        self.ready.set()
        try:
            while not reader.at_eof():
                writer.write(chunk)
                await writer.drain()
                self.counts.sent_bytes += len(chunk)
                await asyncio.sleep(0)
        finally:
            writer.transport.abort()

    # --- requests -------------------------------------------------------------------------------

    async def shake_hands(self, room: Callable[[], str]) -> None:
        """Open a WebSocket connection, and close it."""
        try:
            _, writer = await self.upgrade(room())
        finally:
            self.ready.set()
        self.counts.answers += 1
        writer.transport.abort()

    async def send_requests(self, target: Callable[[], str], pipelined: int) -> None:
        """Send requests over one connection, ``pipelined`` at a time."""
        reader, writer = await self.connect()
        try:
            while True:
                requests = "".join(
                    f"GET {target()} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{self.headers}\r\n"
                    for _ in range(pipelined)
                )
                writer.write(requests.encode())
                for _ in range(pipelined):
                    head = await reader.readuntil(HEAD_END)
                    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                    await reader.readexactly(int(length))
                    refused = b" 200 " not in head.split(b"\r\n", 1)[0]
                    self.counts.refusals += refused
                    self.counts.answers += not refused
                self.ready.set()
        finally:
            writer.transport.abort()

    async def request_once(self, targets: list[str]) -> None:
        """Send each request once, over one connection; then wait."""
        numbers = iter(targets)

        def take() -> str:
            target = next(numbers, None)
            if target is None:
                raise asyncio.CancelledError
            return target

        with contextlib.suppress(asyncio.CancelledError):
            await self.send_requests(take, 1)
        await asyncio.Event().wait()

    async def watch(self) -> None:
        """Follow the room, and reconnect when the server says so."""
        reader, writer = await self.upgrade(ROOM)
        received = b""
        try:
            while data := await reader.read(READ_BYTES):
                self.counts.answers += 1
                self.ready.set()
                received = (received + data)[-READ_BYTES:]
                _, found, after = received.partition(b'"reconnect_after":')
                if found and b"}" in after:
                    await asyncio.sleep(float(after.partition(b"}")[0].partition(b",")[0]))
                    return
        finally:
            writer.close()


async def run_flood(kind: str, port: int, headers: str) -> Counts:
    """Run a flood until SIGTERM."""
    flooder = Flooder(port, headers)
    numbers = itertools.count(1)
    cursor = "1:0"
    if kind in MESSAGES:
        attempts = [lambda: flooder.send_messages(kind)]
    elif kind == "marks":
        attempts = [flooder.send_marks]
    elif kind == "deaf":
        attempts = [flooder.send_and_never_read] * DEAF_SOCKETS
    elif kind == "handshakes":
        attempts = [lambda: flooder.shake_hands(lambda: ROOM)] * REQUESTERS
    elif kind == "room names":
        attempts = [lambda: flooder.shake_hands(lambda: f"flood-{next(numbers)}")] * REQUESTERS
    elif kind == "polls":
        target = f"/api/rooms/{ROOM}/entries?after={cursor}"
        attempts = [lambda: flooder.send_requests(lambda: target, PIPELINED)] * REQUESTERS
    elif kind == "unknown rooms":
        attempts = [
            lambda share=share: flooder.request_once(
                [f"/api/rooms/unknown-{n}" for n in range(share, UNKNOWN_ROOMS, REQUESTERS)]
            )
            for share in range(REQUESTERS)
        ]
    else:
        assert kind == "full"
        attempts = [flooder.watch] * (FULL_VIEWERS + RETURNING_VIEWERS)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    tasks = [asyncio.create_task(flooder.repeat(attempt)) for attempt in attempts]
    async with asyncio.timeout(START_SECONDS):
        await flooder.ready.wait()
    print("ready", flush=True)
    await stopped.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return flooder.counts


class Flood:
    """A flood in a process of its own, from the start of its `with` block to its end.

    ``core``: the one that it may use, any if None. ``counts`` are there afterwards.
    """

    def __init__(
        self, kind: str, port: int, core: int | None = None, forwarded: str | None = None
    ) -> None:
        self._command = [sys.executable, "-m", "benchmarks.hostile.floods", kind, str(port)]
        if forwarded:
            self._command += ["--forwarded", forwarded]
        self._core = core
        self.counts = Counts()

    def _limit(self) -> None:
        os.nice(NICENESS)
        if self._core is not None:
            os.sched_setaffinity(0, {self._core})

    def __enter__(self) -> Flood:
        self._process = subprocess.Popen(
            self._command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=self._limit,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            self._process.wait()
            raise RuntimeError(f"the flood did not start: {self._command[3]}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            output, _ = self._process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return
        if output:
            self.counts = msgspec.json.decode(output, type=Counts)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile.floods")
    parser.add_argument("kind")
    parser.add_argument("port", type=int)
    parser.add_argument("--forwarded", metavar="ADDRESS")
    arguments = parser.parse_args()
    raise_descriptor_limit()
    headers = f"X-Forwarded-For: {arguments.forwarded}\r\n" if arguments.forwarded else ""
    counts = asyncio.run(run_flood(arguments.kind, arguments.port, headers))
    sys.stdout.buffer.write(msgspec.json.encode(counts))


if __name__ == "__main__":
    main()
