"""Paused viewers: what they cost a wave, and whether they miss anything when they resume.

100 viewers watch a room at 25 comments a second. 5,000 more are connected: in one run idle in
another room, in the other run paused in this one. Both are pinged alike, so the difference is what
a paused viewer costs each wave; a send would cost some 4 µs. Then all resume, and each must receive
every entry after its own cursor.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.figures import Figure
from benchmarks.harness import Harness, median
from benchmarks.process import Server

WATCHING = 100
RATE = 25  # slower than the gap allows: each comment is a wave
AT_A_TIME = 100  # connections that are opened together
TIMEOUT_SECONDS = 30.0  # for a viewer to receive what it missed


def measure(harness: Harness) -> Iterator[Figure]:
    held, seconds = harness.viewers(5000), harness.seconds(6)
    missed_in_all = 0

    def run(paused: bool) -> float:
        nonlocal missed_in_all
        with harness.start_server() as server:
            share, missed = asyncio.run(hold(harness, server, held, seconds, paused))
        missed_in_all += missed
        return share

    idle, paused = harness.alternate(2, lambda: run(False), lambda: run(True))
    difference = (median(paused) - median(idle)) * 1e6 / RATE / held
    yield Figure(
        line="11",
        what="CPU for each paused viewer and wave",
        value=max(0.0, difference),
        unit="µs",
        at_most=0.05,
        note="below a hundredth of a send: too little to measure",
    )
    yield Figure(line="11", what="resumed: entries missed", value=missed_in_all, at_most=0)


async def hold(
    harness: Harness, server: Server, held: int, seconds: float, paused: bool
) -> tuple[float, int]:
    """Return the server's share of its core with ``held`` connections besides those that watch,
    and how many entries the paused ones missed after they resumed."""
    url = server.url if paused else server.url.replace("/ws/bench", "/ws/elsewhere")
    sockets: list[ClientConnection] = []
    cursors: list[int] = []
    while len(sockets) < held:
        many = min(AT_A_TIME, held - len(sockets))
        for socket in await asyncio.gather(*(open_one(url) for _ in range(many))):
            sockets.append(socket)
            cursors.append(json.loads(await socket.recv())["seq"])
            if paused:
                await socket.send('{"type":"pause"}')
    report = await asyncio.to_thread(harness.load, server, WATCHING, RATE, seconds)
    missed = 0
    if paused:
        head = cursors[0] + report.acked
        for start in range(0, held, AT_A_TIME):
            span = slice(start, start + AT_A_TIME)
            resuming = (
                resume(*one, head) for one in zip(sockets[span], cursors[span], strict=True)
            )
            missed += sum(await asyncio.gather(*resuming))
    for socket in sockets:
        socket.transport.abort()
    assert report.server is not None
    return report.server.cpu_share, missed


async def open_one(url: str) -> ClientConnection:
    """Connect; the library answers the server's pings."""
    return await connect(
        f"{url}?history=0",
        compression=None,
        ping_interval=None,
        open_timeout=TIMEOUT_SECONDS,
        max_queue=None,
    )


async def resume(socket: ClientConnection, cursor: int, head: int) -> int:
    """Resume, and return how many entries up to ``head`` did not come in order."""
    await socket.send('{"type":"resume"}')
    missed = 0
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while cursor < head:
                message = json.loads(await socket.recv())
                if message["type"] in ("batch", "skip"):
                    missed += abs(message["first"] - cursor - 1)
                    cursor = message["last"]
    except TimeoutError:
        missed += head - cursor
    return missed
