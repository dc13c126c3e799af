"""When a room's filters are in force: none of its comments goes unfiltered."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

from chat.core.reject import Rejection
from chat.core.responses import FiltersChanged
from chat.core.room_state import Author
from chat.core.wire import Ack
from chat.hub import Hub, HubLimits
from chat.journal import ReadFailed
from chat.journal.local import LocalJournal
from chat.room import Room
from tests.support.hub_harness import enter, open_hub, post, run

HOST = Author("mia", "Mia")
SPAM = [{"match": "word", "text": "spam", "action": "reject"}]


async def set_filters(hub: Hub, room: Room) -> None:
    body = json.dumps({"filters": SPAM}).encode()
    assert isinstance(await hub.filtering.change(room, body, HOST), FiltersChanged)


async def code_of(hub: Hub, room: Room, text: str) -> str:
    outcome = await post(hub, room, text)
    return outcome.code if isinstance(outcome, Rejection) else "ack"


async def sweep_until(hub: Hub, is_done: Callable[[], bool]) -> None:
    while not is_done():
        hub.release_rooms(time.monotonic())
        await asyncio.sleep(0)


def test_filters_over_the_memory_limit_are_dropped_and_loaded_when_somebody_posts() -> None:
    async def steps() -> None:
        async with open_hub(HubLimits(filter_bytes=1), post_burst=100) as hub:
            first, second = await enter(hub, "first"), await enter(hub, "second")
            await set_filters(hub, first)
            assert await code_of(hub, first, "spam") == "filtered"
            await set_filters(hub, second)
            assert first.filters.size == 0
            assert await code_of(hub, second, "spam") == "filtered"
            # Nothing goes unfiltered; the post asks for the filters.
            assert await code_of(hub, first, "hello") == "busy"
            await sweep_until(hub, lambda: not first.filters.are_due)
            assert await code_of(hub, first, "spam") == "filtered"
            assert await code_of(hub, first, "hello") == "ack"

    run(steps)


class FailingReads:
    """A journal whose filters cannot be read while it fails."""

    def __init__(self, journal: LocalJournal) -> None:
        self._journal = journal
        self.is_failing = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)

    async def read_filters(self, room: str, before: int | None = None) -> tuple[int, bytes] | None:
        if self.is_failing:
            raise ReadFailed
        return await self._journal.read_filters(room, before)


def test_posts_are_busy_while_filters_cannot_be_read() -> None:
    async def steps() -> None:
        journals: list[FailingReads] = []

        def wrap(journal: LocalJournal) -> FailingReads:
            journals.append(FailingReads(journal))
            return journals[0]

        async with open_hub(wrap=wrap, post_burst=100) as hub:
            room = await enter(hub, "demo")
            await set_filters(hub, room)
            journals[0].is_failing = True
            room.filters.drop()
            assert await code_of(hub, room, "hello") == "busy"
            await sweep_until(hub, lambda: room.filters.is_wanted)
            assert await code_of(hub, room, "hello") == "busy"
            journals[0].is_failing = False
            await sweep_until(hub, lambda: not room.filters.are_due)
            assert await code_of(hub, room, "spam") == "filtered"
            assert isinstance(await post(hub, room, "hello"), Ack)

    run(steps)
