"""The end of a token on a connection that is open: by a clock that the test sets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.frames import Opcode

from chat.core.comment import Role
from chat.core.room_state import Author
from chat.environment import Clock
from tests.support.in_process_server import InProcessServer, Peer
from tests.support.websocket_frames import encode_frame

EXPIRES_AT = 4_000_000_000.0


class StoppedClock:
    """Unix time in seconds, as the test sets it."""

    def __init__(self) -> None:
        self.now = EXPIRES_AT - 60

    def read_ms(self) -> int:
        return int(self.now * 1000)


def run(steps: Callable[[InProcessServer, StoppedClock], Awaitable[None]]) -> None:
    async def start() -> None:
        clock = StoppedClock()
        async with InProcessServer(clock=Clock(unix_ms=clock.read_ms)) as running:
            await steps(running, clock)

    asyncio.run(asyncio.wait_for(start(), 30))


async def join(running: InProcessServer) -> tuple[Peer, dict[str, Any]]:
    peer = await running.ask("demo")
    await peer.read_head()
    return peer, await peer.read_message("welcome")


async def sign_in(running: InProcessServer, peer: Peer) -> dict[str, Any]:
    author = Author("ann", "Ann", Role.HOST)
    peer.send("auth", token=running.connections.tokens.sign(author, "demo", 60))
    return await peer.read_message("identity", "reject")


def count_tokens(running: InProcessServer) -> float | None:
    return running.read_metric("danmaku_signed_in_viewers")


def test_viewer_whose_token_ends_is_its_guest_again_and_is_told() -> None:
    async def steps(running: InProcessServer, clock: StoppedClock) -> None:
        peer, welcome = await join(running)
        assert (await sign_in(running, peer))["user"] == "ann"
        assert count_tokens(running) == 1
        clock.now = EXPIRES_AT - 0.001
        await running.sweep(1)
        peer.send("post", text="before", ref="1")
        await peer.read_message("ack")
        clock.now = EXPIRES_AT + 1
        await running.sweep(1)
        identity = await peer.read_message("identity")
        assert identity.pop("session") != ""
        assert identity == {
            "type": "identity",
            **{name: welcome[name] for name in ("user", "name", "role")},
            "reason": "token_expired",
        }
        assert count_tokens(running) == 0
        peer.send("post", text="after", ref="2")
        entries: list[dict[str, Any]] = []
        while len(entries) < 2:
            entries += (await peer.read_message("batch"))["entries"]
        assert [entry.get("role") for entry in entries] == ["host", None]
        assert [entry["user"] for entry in entries] == ["ann", welcome["user"]]

    run(steps)


@pytest.mark.parametrize(
    ("message", "answer"),
    [({"type": "post", "text": "hi"}, "ack"), ({"type": "rename", "name": "Owl"}, "identity")],
)
def test_nothing_is_done_with_a_token_from_the_moment_of_its_end(
    message: dict[str, str], answer: str
) -> None:
    async def steps(running: InProcessServer, clock: StoppedClock) -> None:
        peer, welcome = await join(running)
        await sign_in(running, peer)
        clock.now = EXPIRES_AT
        peer.send(**message)  # before any sweep
        identity = await peer.read_message("identity")
        assert (identity["user"], identity["reason"]) == (welcome["user"], "token_expired")
        done = await peer.read_message(answer, "reject")
        assert done["type"] == answer
        assert "reason" not in done

    run(steps)


def test_later_token_replaces_the_earlier_one_and_its_end() -> None:
    async def steps(running: InProcessServer, clock: StoppedClock) -> None:
        peer, _ = await join(running)
        await sign_in(running, peer)
        clock.now += 30
        await sign_in(running, peer)
        assert count_tokens(running) == 1
        clock.now = EXPIRES_AT + 1
        await running.sweep(1)
        peer.send("ping")
        assert (await peer.read_message("identity", "pong"))["type"] == "pong"
        clock.now = EXPIRES_AT + 31
        await running.sweep(1)
        assert (await peer.read_message("identity"))["reason"] == "token_expired"

    run(steps)


def test_connection_that_closes_leaves_nothing_of_its_token() -> None:
    async def steps(running: InProcessServer, clock: StoppedClock) -> None:
        for _ in range(3):
            peer, _ = await join(running)
            await sign_in(running, peer)
            peer.send_bytes(encode_frame(Opcode.CLOSE))
            await peer.read_close()
            peer.close()
        assert count_tokens(running) == 0
        clock.now = EXPIRES_AT + 1
        await running.sweep(1)

    run(steps)


def test_expired_token_is_rejected_and_a_session_is_not() -> None:
    async def steps(running: InProcessServer, clock: StoppedClock) -> None:
        peer, welcome = await join(running)
        token = running.connections.tokens.sign(Author("ann", "Ann"), "demo", 60)
        clock.now = EXPIRES_AT
        peer.send("auth", token=token)
        assert (await peer.read_message("identity", "reject"))["code"] == "token_expired"
        peer.send("auth", token=welcome["session"])
        assert (await peer.read_message("identity", "reject"))["user"] == welcome["user"]

    run(steps)
