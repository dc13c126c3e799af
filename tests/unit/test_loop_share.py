"""Messages of many connections share each iteration of the event loop."""

from __future__ import annotations

import asyncio
from collections import Counter

from chat.web.loop_share import TURNS_PER_ITERATION, LoopShare

MESSAGE_SECONDS = 0.001
SHARE = 5 * MESSAGE_SECONDS


class Server:
    """Connections that have messages to be handled, each of which takes a millisecond."""

    def __init__(self) -> None:
        self.now = 0.0
        self.share = LoopShare(lambda: self.now, SHARE)
        self.handled: list[int] = []

    async def handle(self, connection: int, messages: int) -> None:
        for _ in range(messages):
            if (turn := self.share.wait()) is not None:
                await turn
            self.handled.append(connection)
            self.now += MESSAGE_SECONDS


async def run_iterations(server: Server, tasks: list[asyncio.Task[None]]) -> list[int]:
    """Return how many messages were handled in each iteration, until all tasks are done."""
    counts = []
    while not all(task.done() for task in tasks):
        before = len(server.handled)
        await asyncio.sleep(0)
        counts.append(len(server.handled) - before)
    return counts


def test_bursts_of_many_connections_are_handled_over_many_iterations_and_in_turn() -> None:
    async def scenario() -> None:
        server = Server()
        tasks = [asyncio.create_task(server.handle(number, 10)) for number in range(200)]
        counts = await run_iterations(server, tasks)
        assert max(counts) <= SHARE / MESSAGE_SECONDS + TURNS_PER_ITERATION + 1
        # Nobody is far ahead of anybody, but for the first, who came when nobody waited.
        by_connection: Counter[int] = Counter()
        for connection in server.handled[: len(server.handled) // 2]:
            by_connection[connection] += 1
        assert min(by_connection[number] for number in range(200)) >= 4
        assert len(server.share) == 0

    asyncio.run(scenario())


def test_messages_that_fit_into_the_share_do_not_wait() -> None:
    async def scenario() -> None:
        server = Server()
        for _ in range(5):
            for _ in range(4):
                assert server.share.wait() is None
                server.now += MESSAGE_SECONDS
            await asyncio.sleep(0)
            server.now += 2 * SHARE

    asyncio.run(scenario())


def test_steady_traffic_waits_once_in_each_share() -> None:
    async def scenario() -> None:
        server = Server()
        waits = 0
        for _ in range(200):
            if (turn := server.share.wait()) is not None:
                waits += 1
                async with asyncio.timeout(1):
                    await turn
            server.now += MESSAGE_SECONDS
            await asyncio.sleep(0)
        assert 0 < waits <= server.now / SHARE
        assert len(server.share) == 0

    asyncio.run(scenario())


def test_messages_after_a_slow_one_wait_for_the_next_iteration() -> None:
    async def scenario() -> None:
        server = Server()
        assert server.share.wait() is None
        server.now += 3 * SHARE
        turns = [server.share.wait() for _ in range(3)]
        assert None not in turns
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert all(turn is not None and turn.done() for turn in turns)

    asyncio.run(scenario())


def test_connection_that_ends_while_it_waits_holds_nobody_up() -> None:
    async def scenario() -> None:
        server = Server()
        assert server.share.wait() is None
        server.now += SHARE
        gone, last = server.share.wait(), server.share.wait()
        assert gone is not None
        assert last is not None
        gone.cancel()
        async with asyncio.timeout(1):
            await last
        assert len(server.share) == 0

    asyncio.run(scenario())
