"""A hub in the test's own process, over a database in memory, and short calls for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from chat.archive import Archive
from chat.core.moderation.held import HeldPost
from chat.core.reject import Rejection
from chat.core.responses import Page
from chat.core.room_state import Author
from chat.core.wire import Ack, Cursor, Post
from chat.fanout.waves import Fanout
from chat.hub import Hub, HubLimits
from chat.journal.local import JournalLimits, LocalJournal
from chat.metrics import Metrics
from chat.room import Room
from chat.settings import Settings

AUTHOR = Author("g-1", "Owl")


@asynccontextmanager
async def open_hub(
    limits: HubLimits | None = None,
    journal_limits: JournalLimits | None = None,
    wrap: Callable[[LocalJournal], Any] = lambda journal: journal,
    **chosen: Any,
) -> AsyncIterator[Hub]:
    """Run a hub; ``chosen`` are settings of the server, ``wrap`` returns the journal to use."""
    metrics, settings = Metrics(), Settings(**chosen)
    journal = wrap(LocalJournal(Archive("sqlite://"), metrics, journal_limits))
    fanout = Fanout(metrics, settings.wave_gap_ms / 1000)
    hub = Hub(settings, journal, fanout, metrics, limits=limits)
    hub.start()
    yield hub
    await hub.stop()


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine on a loop of its own, for 20 seconds at most."""
    asyncio.run(asyncio.wait_for(steps(), 20))


async def enter(hub: Hub, name: str) -> Room:
    room = await hub.open_room(name)
    assert isinstance(room, Room), room
    return room


async def post(
    hub: Hub, room: Room, text: str, ref: str | None = None
) -> Ack | HeldPost | Rejection:
    return await asyncio.shield(hub.post(room, AUTHOR, Post(text, ref)))


async def poll(hub: Hub, room: Room, seq: int, wait: float = 0) -> Page:
    """Return the entries after ``seq``, waiting so many seconds for the first of them."""
    cursor = Cursor(room.epoch, seq)
    page = await hub.read_page(room, cursor, 50, wait, "somebody")
    assert isinstance(page, Page)
    return page
