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
# So often something is said while somebody lags that no buffer between would take it all.
LASTING = 6
BUDGET = RateBudget("messages", "connection", burst=20, rate=50, reject_after=10, close_after=50)
SPEAKER = Author("g-1", "Owl")


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
    """A room where much is said, and a viewer that has to hear all of it in time."""

    def __init__(self, server: InProcessServer, listener: Peer) -> None:
        self._server = server
        self._listener = listener
        self.heard = 0

    async def talk(self) -> None:
        """Say some things, and have them heard."""
        room = self._server.hub.find_room("demo")
        for _ in range(AT_ONCE):
            self._server.hub.post(room, SPEAKER, Post(LONG_TEXT))
        until = self.heard + AT_ONCE
        while self.heard < until:
            batch = await self._listener.read_message("batch")
            seqs = [entry["seq"] for entry in batch["entries"]]
            assert seqs == list(range(self.heard + 1, batch["last"] + 1))
            self.heard = batch["last"]

    async def talk_until_somebody_lags(self) -> None:
        while not self._server.connections.stalled:
            await self.talk()

    async def talk_until_somebody_is_stuck(self) -> None:
        """Talk on while somebody lags: on a busy machine anybody does for a moment."""
        lagging = 0
        while lagging < LASTING:
            await self.talk()
            lagging = lagging + 1 if self._server.connections.stalled else 0


async def answer_ping(peer: Peer) -> None:
    await peer.read(Opcode.PING)
    peer.send_pong()
    peer.send("ping")
    await peer.read_message("pong")  # and so the server has read what came before


def test_viewer_that_reads_nothing_is_closed_with_4008_and_others_lose_nothing(
    run_scenario: RunScenario,
) -> None:
    async def scenario(server: InProcessServer) -> None:
        slow = await server.connect("demo")
        slow.stop_reading()
        await server.sweep(PING_SECONDS)
        fast = await server.connect("demo")
        await BusyRoom(server, fast).talk_until_somebody_is_stuck()
        # It answers no ping either, since it has not seen it: that is no second reason.
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
        await room.talk_until_somebody_is_stuck()
        # A history is cut when it is twice as long as it has to be; and the kernel may still take a
        # little of somebody's who lags already.
        enough = room.heard + 3 * HISTORY_LIMIT
        while room.heard < enough:
            await room.talk()
        slow.go_on_reading()
        cursor, told = 0, []
        while cursor < room.heard:
            message = await slow.read_message("batch", "skip")
            assert message["first"] == cursor + 1
            cursor = message["last"]
            told.append(message["type"])
            if message["type"] == "skip":
                assert message["why"] == "slow"
        assert told.count("skip") == 1
        await room.talk()
        while cursor < room.heard:
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
                await room.talk_until_somebody_lags()
                (connection,) = server.connections.stalled
                # Without a turn of the loop: the kernel has room again, and nobody knows yet.
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
            assert cursor == room.heard
            assert frames[-1] == {"type": "pong"}
            fast.close()

    asyncio.run(scenario())


def test_peer_that_floods_is_told_so_and_then_closed(run_scenario: RunScenario) -> None:
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
            proxy.is_silent = True  # it hears nothing, and nothing is heard of it
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


# --- an archive that takes its time ---------------------------------------------------------------


class SlowRead:
    """A room whose first entries are in the archive alone, where reading takes until ``allow``."""

    def __init__(self, server: InProcessServer, patch: pytest.MonkeyPatch) -> None:
        self.asked, self.done = asyncio.Event(), asyncio.Event()
        self._allowed = asyncio.Event()
        self._journal = server.server._journal
        self._read = self._journal.read
        patch.setattr(self._journal, "read", self._read_late)

    async def fill(self, room: str) -> str:
        """Keep three entries, and return the cursor before the first."""
        opened = await self._journal.open_room(room)
        for number in range(3):
            comment = Comment(seq=0, user="u", name="N", text=f"{number}", at=1)
            await self._journal.append(room, comment, None)
        self._journal.close_room(room)  # and so the hub opens it with the last entry alone
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
