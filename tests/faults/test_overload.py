"""Posters send far more than can be stored: memory is bounded, and acks are true."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable

from websockets.frames import Opcode

from benchmarks.hostile.sockets import build_message
from chat.client import Client
from tests.faults.conftest import LONG
from tests.support.recorded_clients import read_archive
from tests.support.server_metrics import read_metric, read_seconds_queued
from tests.support.server_process import ServerProcess
from tests.support.websocket_frames import FrameDecoder

StartServer = Callable[..., ServerProcess]

SECONDS = 30.0 if LONG else 4.0
SETTLED = SECONDS / 3  # what is kept on purpose has filled by then
POSTERS = 100
CHUNK = 50
POSTS_PER_SECOND = 40_000  # ten times what a disk of 10 ms a commit can take
MEMORY = "process_resident_memory_bytes"
MEBIBYTE = 1024 * 1024
# The short run is over before the refs of two minutes have reached their bound.
GROWTH = (16 if LONG else 48) * MEBIBYTE
RECOVERY_SECONDS = 5.0
NORMAL_SECONDS = 0.25 if LONG else 1.0
QUIET_SECONDS = 3.0
UPGRADE = (
    "GET /ws/{room}?history=0 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Posters:
    """Connections that post ten times too much, and record the answers."""

    def __init__(self, port: int, room: str) -> None:
        self.acked: dict[str, int] = {}  # seq by ref, which is the text too
        self.rejected: Counter[str] = Counter()
        self.sent = 0
        self._port = port
        self._room = room
        self._numbers = itertools.count(1)

    async def post_without_end(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(UPGRADE.format(room=self._room).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 101 " in head, head
        reading = asyncio.ensure_future(self._record_answers(reader))
        try:
            writer.write(build_message({"type": "pause"}))
            while not reading.done():
                refs = [f"ref-{next(self._numbers)}" for _ in range(CHUNK)]
                writer.write(
                    b"".join(
                        build_message({"type": "post", "ref": ref, "text": ref}) for ref in refs
                    )
                )
                self.sent += CHUNK
                await writer.drain()
                await asyncio.sleep(POSTERS * CHUNK / POSTS_PER_SECOND)
            await reading
        finally:
            reading.cancel()
            writer.transport.abort()

    async def _record_answers(self, reader: asyncio.StreamReader) -> None:
        decoder = FrameDecoder()
        while data := await reader.read(65_536):
            for frame in decoder.feed(data):
                if frame.opcode is Opcode.TEXT:
                    self._record(json.loads(frame.data))

    def _record(self, message: dict) -> None:
        if message["type"] == "ack":
            assert message["ref"] not in self.acked
            self.acked[message["ref"]] = message["seq"]
        elif message["type"] == "reject":
            assert message["retry_after"] is not None, message
            self.rejected[message["code"]] += 1


async def watch(client: Client, pauses: list[float]) -> None:
    """Record how long a viewer waits from one entry to the next."""
    seen = time.monotonic()
    async for _ in client:
        now = time.monotonic()
        pauses.append(now - seen)
        seen = now


async def wait_until_normal(server: ServerProcess, room: str) -> float:
    """Return the seconds until a post is stored as fast as usual, without those queued."""
    began, queued = time.monotonic(), read_seconds_queued(server)
    async with Client(f"{server.ws_url}/ws/{room}", name="Patient", history=0) as client:
        while True:
            asked, waited = time.monotonic(), read_seconds_queued(server)
            await client.post("is it over?")
            now, waited_now = time.monotonic(), read_seconds_queued(server)
            if now - asked - (waited_now - waited) < NORMAL_SECONDS:
                return now - began - (waited_now - queued)


def test_overload_has_bounded_memory_and_true_acks_and_ends_in_seconds(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0")
    posters = Posters(server.port, room)
    pauses: list[float] = []

    async def steps() -> None:
        async with Client(f"{server.ws_url}/ws/{room}", name="Watcher", history=0) as watcher:
            watching = asyncio.ensure_future(watch(watcher, pauses))
            posting = [asyncio.ensure_future(posters.post_without_end()) for _ in range(POSTERS)]
            await asyncio.sleep(SETTLED)
            before = await asyncio.to_thread(read_metric, server, MEMORY)
            await asyncio.sleep(SECONDS - SETTLED)
            after = await asyncio.to_thread(read_metric, server, MEMORY)
            for task in [*posting, watching]:
                task.cancel()
            for outcome in await asyncio.gather(*posting, return_exceptions=True):
                assert isinstance(outcome, asyncio.CancelledError), outcome
            with contextlib.suppress(asyncio.CancelledError):
                await watching
        recovered = await asyncio.wait_for(wait_until_normal(server, room), 60)
        print(
            f"{posters.sent:,} sent, {len(posters.acked):,} acked, {dict(posters.rejected)}; "
            f"{(after - before) / MEBIBYTE:.1f} MiB more; normal after {recovered:.1f} s; "
            f"longest pause of a viewer {max(pauses):.2f} s"
        )
        assert after - before < GROWTH
        assert recovered < RECOVERY_SECONDS

    asyncio.run(steps())
    assert posters.acked
    # More than could be stored was sent all the time.
    assert posters.sent > len(posters.acked)
    assert set(posters.rejected) <= {"busy", "too_many"}
    assert max(pauses) < QUIET_SECONDS + read_seconds_queued(server)
    server.stop()
    kept = {seq: body["text"] for (_, seq), body in read_archive(server.database, room).items()}
    assert [ref for ref, seq in posters.acked.items() if kept.get(seq) != ref] == []
