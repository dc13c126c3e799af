"""Peers that are slow, silent or dead, and the viewers beside them, with and without TLS."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from websockets.frames import Opcode

from chat.app import ServerLimits
from chat.core.budgets import RateBudget
from chat.core.comment import Comment
from chat.core.handshake import PREFIX
from chat.core.history import HISTORY_LIMIT
from chat.core.pace import STALL_SECONDS
from chat.core.room_state import Author
from chat.core.wire import Pong, Post
from chat.journal.local import JournalLimits
from chat.web.connections import PING_SECONDS, PONG_SECONDS
from tests.support.certificates import Certificate
from tests.support.in_process_server import RECEIVE_BUFFER, UPGRADE, InProcessServer, Peer
from tests.support.proxy import Proxy
from tests.support.websocket_frames import decode_messages

Scenario = Callable[[InProcessServer], Coroutine[None, None, None]]
RunScenario = Callable[..., None]
LONG_TEXT = "弹" * 100
AT_ONCE = 300
# Rounds of comments during which a viewer lags; more than any buffer between could hold.
LAGGING_ROUNDS = 6
BUDGET = RateBudget("messages", "connection", burst=20, rate=50, reject_after=10, close_after=50)
AUTHOR = Author("g-1", "Owl")


@pytest.fixture(params=["plain", "tls"])
def run_scenario(request: pytest.FixtureRequest, certificate: Certificate) -> RunScenario:
    """Run a scenario in a server of its own, where time passes only by the scenario's sweeps."""

    def run(scenario: Scenario, **limits: Any) -> None:
        async def within() -> None:
            given = certificate if request.param == "tls" else None
            async with InProcessServer(given, ServerLimits(sweep_seconds=3600, **limits)) as server:
                await scenario(server)

        asyncio.run(within())

    return run


class BusyRoom:
    """A room with many comments, and a viewer that has to receive all of them in time."""

    def __init__(self, server: InProcessServer, listener: Peer) -> None:
        self._server = server
        self._listener = listener
        self.received = 0

    async def post(self) -> None:
        """Post some comments, and wait until the viewer has received them."""
        room = self._server.hub.find_room("demo")
        for _ in range(AT_ONCE):
            self._server.hub.post(room, AUTHOR, Post(LONG_TEXT))
        until = self.received + AT_ONCE
        while self.received < until:
            batch = await self._listener.read_message("batch")
            seqs = [entry["seq"] for entry in batch["entries"]]
            assert seqs == list(range(self.received + 1, batch["last"] + 1))
            self.received = batch["last"]

    async def post_until_a_viewer_lags(self) -> None:
        while not self._server.connections.stalled:
            await self.post()

    async def post_until_a_viewer_stalls(self) -> None:
        """Post until a viewer lags for some rounds: on a busy machine any viewer lags briefly."""
        lagging = 0
        while lagging < LAGGING_ROUNDS:
            await self.post()
            lagging = lagging + 1 if self._server.connections.stalled else 0


async def answer_ping(peer: Peer) -> None:
    await peer.read(Opcode.PING)
    peer.send_pong()
    peer.send("ping")
    await peer.read_message("pong")  # so the server has read what was sent before


def test_viewer_that_reads_nothing_is_closed_with_4008_and_others_lose_nothing(
    run_scenario: RunScenario,
) -> None:
    async def scenario(server: InProcessServer) -> None:
        slow = await server.connect("demo")
        slow.stop_reading()
        await server.sweep(PING_SECONDS)
        fast = await server.connect("demo")
        await BusyRoom(server, fast).post_until_a_viewer_stalls()
        # It does not answer the ping either, which it has not read: it is slow, not silent.
        await server.sweep(PONG_SECONDS)
        await answer_ping(fast)
        assert server.read_metric("danmaku_slow_viewers") == 1
        server.connections.sweep(time.monotonic() + STALL_SECONDS + 1)
        assert server.hub.count_viewers() == 1
        assert server.read_metric("danmaku_slow_viewers") == 0
        slow.go_on_reading()
        assert (await slow.read_message("bye"))["code"] == 4008
        assert await slow.read_close() == 4008
        slow.close()
        fast.close()

    run_scenario(scenario)


def test_viewer_that_resumes_reading_too_late_gets_one_skip_and_then_every_batch(
    run_scenario: RunScenario,
) -> None:
    async def scenario(server: InProcessServer) -> None:
        slow, fast = await server.connect("demo"), await server.connect("demo")
        slow.stop_reading()
        room = BusyRoom(server, fast)
        await room.post_until_a_viewer_stalls()
        # A history is cut at twice its limit; and the kernel may still accept some bytes for a
        # viewer that lags already.
        enough = room.received + 3 * HISTORY_LIMIT
        while room.received < enough:
            await room.post()
        slow.go_on_reading()
        cursor, types = 0, []
        while cursor < room.received:
            message = await slow.read_message("batch", "skip")
            assert message["first"] == cursor + 1
            cursor = message["last"]
            types.append(message["type"])
            if message["type"] == "skip":
                assert message["why"] == "slow"
        assert types.count("skip") == 1
        await room.post()
        while cursor < room.received:
            message = await slow.read_message("batch")
            assert message["first"] == cursor + 1
            cursor = message["last"]
        slow.close()
        fast.close()

    run_scenario(scenario)


def test_partly_sent_frame_is_completed_before_the_next_frame() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with InProcessServer() as server:
            fast = await server.connect("demo")
            with socket.socket() as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
                slow.setblocking(False)
                await loop.sock_connect(slow, ("127.0.0.1", server.server.port))
                target = f"{PREFIX}demo?history=0"
                request = UPGRADE.format(target=target, host="x", more="").encode()
                await loop.sock_sendall(slow, request)
                received = b""
                while b"welcome" not in received:
                    received += await loop.sock_recv(slow, 1 << 16)
                room = BusyRoom(server, fast)
                await room.post_until_a_viewer_lags()
                (connection,) = server.connections.stalled
                # Without yielding to the loop: the server does not know yet that it is writable.
                with suppress(BlockingIOError):
                    while True:
                        received += slow.recv(1 << 16)
                connection.send_message(Pong())
                while b'{"type":"pong"}' not in received:
                    received += await loop.sock_recv(slow, 1 << 16)
            frames = decode_messages(received.partition(b"\r\n\r\n")[2])
            cursor = 0
            for message in frames:
                if message["type"] == "batch":
                    assert message["first"] == cursor + 1
                    cursor = message["last"]
            assert cursor == room.received
            assert frames[-1] == {"type": "pong"}
            fast.close()

    asyncio.run(scenario())


def test_flooding_peer_is_rejected_and_then_closed(run_scenario: RunScenario) -> None:
    async def scenario(server: InProcessServer) -> None:
        peer = await server.connect("demo")
        for _ in range(BUDGET.burst + 2 * BUDGET.close_after):
            peer.send("ping")
        rejected = await peer.read_message("reject")
        assert (rejected["code"], rejected["ref"]) == ("too_many", None)
        bye = await peer.read_message("bye")
        assert bye["code"] == 4011
        assert bye["reconnect_after"] > 0
        assert await peer.read_close() == 4011
        assert server.hub.count_viewers() == 0
        peer.close()

    run_scenario(scenario, messages=BUDGET)


def test_connection_that_breaks_while_its_peer_is_not_read_is_removed(
    run_scenario: RunScenario,
) -> None:
    async def scenario(server: InProcessServer) -> None:
        peer = await server.connect("demo")
        room = server.hub.find_room("demo")
        peer.stop_reading()
        while not server.connections.stalled:
            for _ in range(AT_ONCE):
                server.hub.post(room, AUTHOR, Post(LONG_TEXT))
            await asyncio.sleep(0)
        # A peer that takes nothing is not read after its next message.
        peer.send("ping")
        await peer.wait_until_sent()
        await server.sweep(5)
        peer.reset()
        async with asyncio.timeout(10):
            while server.read_metric("danmaku_connections"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert server.hub.count_viewers() == 0

    run_scenario(scenario)


def test_viewer_that_answers_no_ping_is_closed_with_4009(run_scenario: RunScenario) -> None:
    async def scenario(server: InProcessServer) -> None:
        peer = await server.connect("demo")
        await server.sweep(PING_SECONDS + PONG_SECONDS)
        assert await peer.read_close() == 4009
        peer.close()

    run_scenario(scenario)


def test_dead_viewer_is_removed_when_its_pong_is_overdue(
    run_scenario: RunScenario,
) -> None:
    async def scenario(server: InProcessServer) -> None:
        async with Proxy(server.server.port) as proxy:
            dead = await server.ask("demo", proxy.port)
            await dead.read_head()
            await dead.read_message("welcome")
            proxy.is_silent = True  # nothing passes in either direction
            await server.sweep(PING_SECONDS + PONG_SECONDS - 1)
            assert server.hub.count_viewers() == 1
            await server.sweep(1)
            assert server.hub.count_viewers() == 0
            async with asyncio.timeout(10):
                while server.read_metric("danmaku_connections"):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            dead.close()

    run_scenario(scenario, close_seconds=0.05)


def test_viewer_that_answers_pings_stays_connected(run_scenario: RunScenario) -> None:
    async def scenario(server: InProcessServer) -> None:
        peer = await server.connect("demo")
        await server.sweep(PING_SECONDS)
        for _ in range(3):
            await answer_ping(peer)
            await server.sweep(PING_SECONDS)
        assert server.hub.count_viewers() == 1
        peer.send("post", text="still here")
        await peer.read_message("batch")
        peer.close()

    run_scenario(scenario)


# --- a slow archive --------------------------------------------------------------------------


class SlowRead:
    """A room whose first entries are only in the archive, where reads wait for ``allow``."""

    def __init__(self, server: InProcessServer, patch: pytest.MonkeyPatch) -> None:
        self.asked, self.done = asyncio.Event(), asyncio.Event()
        self._allowed = asyncio.Event()
        self._journal = server.server._journal
        self._read = self._journal.read
        patch.setattr(self._journal, "read", self._read_late)

    async def fill(self, room: str) -> str:
        """Store three entries, and return the cursor before the first."""
        opened = await self._journal.open_room(room)
        for number in range(3):
            comment = Comment(seq=0, user="u", name="N", text=f"{number}", at=1)
            await self._journal.append(room, comment, None)
        self._journal.close_room(
            room
        )  # so that the hub opens it with only the last entry in memory
        return f"{opened.epoch}:0"

    def allow(self) -> None:
        self._allowed.set()

    async def _read_late(self, *where):
        self.asked.set()
        await self._allowed.wait()
        read = await self._read(*where)
        self.done.set()
        return read


def test_no_frame_is_sent_before_the_handshake_is_answered(
    run_scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(server: InProcessServer) -> None:
        archive = SlowRead(server, monkeypatch)
        peer = await server.ask(f"demo?cursor={await archive.fill('demo')}")
        await archive.asked.wait()
        await server.sweep(PING_SECONDS)
        archive.allow()
        assert (await peer.read_head()).startswith(b"HTTP/1.1 101 ")
        welcome = await peer.read_message("welcome")
        assert [entry["seq"] for entry in welcome["entries"]] == [1, 2, 3]
        peer.close()

    run_scenario(scenario, journal=JournalLimits(recent=1))


def test_connection_closed_during_an_archive_read_becomes_no_viewer(
    run_scenario: RunScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(server: InProcessServer) -> None:
        archive = SlowRead(server, monkeypatch)
        peer = await server.ask(f"demo?cursor={await archive.fill('demo')}")
        await archive.asked.wait()
        ending = asyncio.create_task(server.connections.stop())
        await peer.read_head()
        assert await peer.read_close() == 1012  # which it leaves unanswered
        archive.allow()
        await archive.done.wait()
        assert server.hub.count_viewers() == 0
        assert not ending.done(), "the connection was there until the end"
        peer.close()
        await ending

    run_scenario(scenario, journal=JournalLimits(recent=1))
