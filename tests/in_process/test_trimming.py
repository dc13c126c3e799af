"""Rooms that are opened while their entries are trimmed."""

from __future__ import annotations

import asyncio
import time

import pytest

from chat.journal.local import LocalJournal
from tests.support.hub_harness import enter, open_hub, post, run


@pytest.mark.parametrize("iterations", range(40))
def test_room_that_is_opened_while_it_is_trimmed_has_no_trimmed_entries(iterations: int) -> None:
    async def steps() -> None:
        journals: list[LocalJournal] = []

        def wrap(journal: LocalJournal) -> LocalJournal:
            journals.append(journal)
            return journal

        async with open_hub(wrap=wrap) as hub:
            room = await enter(hub, "demo")
            for text in ("one", "two", "three"):
                await post(hub, room, text)
            hub.release_rooms(time.monotonic() + 1_000)
            cutoff = time.time_ns() // 1_000_000 + 1_000
            trimming = asyncio.ensure_future(journals[0].trim(cutoff))
            for _ in range(iterations):
                await asyncio.sleep(0)
            opened = await enter(hub, "demo")
            await trimming
            assert opened.recent(10) == []
            assert opened.head == 3

    run(steps)
