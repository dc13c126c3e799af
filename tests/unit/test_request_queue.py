"""Requests that arrive together begin in order, and not all in one iteration of the event loop."""

from __future__ import annotations

import asyncio
import itertools

from chat.web.request_queue import RequestQueue


def test_requests_begin_in_order_and_a_few_in_each_iteration() -> None:
    async def scenario() -> None:
        queue = RequestQueue(per_iteration=2)
        begun: list[int] = []

        async def request(number: int) -> None:
            if (turn := queue.wait()) is not None:
                await turn
            begun.append(number)

        requests = [asyncio.create_task(request(number)) for number in range(7)]
        counts = []
        while len(begun) < 7:
            counts.append(len(begun))
            await asyncio.sleep(0)
        await asyncio.gather(*requests)
        assert begun == list(range(7))
        assert all(later - earlier <= 2 for earlier, later in itertools.pairwise(counts))
        assert len(queue) == 0

    asyncio.run(scenario())


def test_request_begins_at_once_when_no_others_have_come() -> None:
    async def scenario() -> None:
        queue = RequestQueue(per_iteration=2)
        for _ in range(5):
            assert queue.wait() is None
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    asyncio.run(scenario())


def test_request_that_is_cancelled_takes_nobodys_place() -> None:
    async def scenario() -> None:
        queue = RequestQueue(per_iteration=1)
        assert queue.wait() is None
        gone, next_one = queue.wait(), queue.wait()
        assert isinstance(gone, asyncio.Future)
        assert isinstance(next_one, asyncio.Future)
        gone.cancel()
        async with asyncio.timeout(1):
            await next_one
        assert len(queue) == 0

    asyncio.run(scenario())
