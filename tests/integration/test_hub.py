"""The hub in this process: what takes minutes outside takes none where time is an argument."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from chat.archive import Archive
from chat.core.reject import Rejection
from chat.core.room import Author
from chat.core.wire import Ack, Cursor, Page, Post
from chat.fanout.waves import Fanout
from chat.hub import ROOM_IDLE_SECONDS, Hub, OpenRoom
from chat.journal.local import LocalJournal
from chat.metrics import Metrics
from chat.settings import Settings

AUTHOR = Author("g-1", "Owl")


@asynccontextmanager
async def open_hub(**chosen: Any) -> AsyncIterator[Hub]:
    metrics, settings = Metrics(), Settings(**chosen)
    journal = LocalJournal(Archive("sqlite://"), metrics)
    hub = Hub(settings, journal, Fanout(metrics, settings.wave_gap_ms / 1000), metrics)
    hub.start()
    yield hub
    await hub.stop()


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(steps(), 20))


async def enter(hub: Hub, name: str) -> OpenRoom:
    opened = await hub.open_room(name)
    assert isinstance(opened, OpenRoom), opened
    return opened


async def post(hub: Hub, opened: OpenRoom, text: str) -> Ack | Rejection:
    answer: asyncio.Future[Ack | Rejection] = asyncio.get_running_loop().create_future()
    hub.post(opened, AUTHOR, Post(text), answer.set_result)
    return await answer


async def poll(hub: Hub, opened: OpenRoom, seq: int, wait: float = 0) -> Page:
    cursor = Cursor(opened.room.epoch, seq)
    page = await hub.read_page(opened, cursor, 50, wait, "somebody")
    assert isinstance(page, Page)
    return page


def names_of(hub: Hub) -> list[str]:
    return [opened.room.name for opened in hub.live_rooms()]


def test_room_is_let_go_when_nobody_watched_for_five_minutes() -> None:
    async def steps() -> None:
        async with open_hub() as hub:
            demo = await enter(hub, "demo")
            await post(hub, demo, "hi")
            now = time.monotonic()
            hub.release_rooms(now + ROOM_IDLE_SECONDS - 5)
            assert names_of(hub) == ["demo"]
            hub.release_rooms(now + ROOM_IDLE_SECONDS + 5)
            assert names_of(hub) == []
            again = await enter(hub, "demo")
            assert (again.room.epoch, again.room.history.head) == (demo.room.epoch, 1)
            assert json.loads(bytes((await poll(hub, again, 0)).entries))[0]["text"] == "hi"
            await post(hub, again, "again")
            assert (await poll(hub, again, 1)).last == 2

    run(steps)


def test_room_that_is_polled_is_kept_and_let_go_after() -> None:
    async def steps() -> None:
        async with open_hub() as hub:
            demo = await enter(hub, "demo")
            await post(hub, demo, "hi")
            await poll(hub, demo, 0)
            assert hub.count_viewers() == 1
            now = time.monotonic()
            hub.release_rooms(now + 1)
            assert hub.count_viewers() == 1
            hub.release_rooms(now + 60)  # who polled has stopped
            assert hub.count_viewers() == 0
            assert names_of(hub) == ["demo"]
            hub.release_rooms(now + 60 + ROOM_IDLE_SECONDS + 5)
            assert names_of(hub) == []

    run(steps)


def test_room_opens_once_for_all_who_enter_at_the_same_time() -> None:
    async def steps() -> None:
        async with open_hub() as hub:
            opened = await asyncio.gather(*(enter(hub, "demo") for _ in range(20)))
            assert len({id(room) for room in opened}) == 1

    run(steps)


def test_who_stops_waiting_for_a_room_does_not_take_it_from_the_others() -> None:
    async def steps() -> None:
        async with open_hub() as hub:
            impatient = asyncio.ensure_future(hub.open_room("demo"))
            patient = asyncio.ensure_future(enter(hub, "demo"))
            await asyncio.sleep(0)
            impatient.cancel()
            assert (await patient).room.name == "demo"

    run(steps)


def test_long_poll_ends_with_the_next_entry() -> None:
    async def steps() -> None:
        async with open_hub() as hub:
            demo = await enter(hub, "demo")
            waiting = asyncio.ensure_future(poll(hub, demo, 0, wait=30))
            await asyncio.sleep(0)
            assert isinstance(await post(hub, demo, "hi"), Ack)
            assert (await waiting).last == 1

    run(steps)


def test_hub_that_stops_refuses_and_wakes_the_long_polls() -> None:
    async def steps() -> None:
        async with open_hub() as hub:
            demo = await enter(hub, "demo")
            waiting = asyncio.ensure_future(poll(hub, demo, 0, wait=30))
            await asyncio.sleep(0)
            await hub.stop()
            assert (await waiting).last == 0
            for refused in (await post(hub, demo, "late"), await hub.open_room("other")):
                assert isinstance(refused, Rejection)
                assert refused.code == "restarting"
                assert refused.retry_after

    run(steps)
