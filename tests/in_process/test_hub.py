"""The hub in the test's process: minutes pass at once, because time is an argument."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

from chat.core.history import HISTORY_LIMIT
from chat.core.reject import Rejection
from chat.core.room_settings import SettingsPatch
from chat.core.room_state import Author
from chat.core.wire import Ack, Post
from chat.hub import Hub
from chat.journal import JournalRoom
from chat.journal.local import JournalLimits, LocalJournal
from chat.posts import RETRY_LIMIT
from chat.room import Room
from chat.rooms import ROOM_IDLE_SECONDS
from tests.support.audience_harness import SocketViewer
from tests.support.hub_harness import AUTHOR, enter, open_hub, poll, post, run


def names_of(hub: Hub) -> list[str]:
    return [room.name for room in hub.live_rooms(10)]


def test_room_without_viewers_closes_after_five_minutes() -> None:
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
            assert (again.epoch, again.head) == (demo.epoch, 1)
            assert json.loads(bytes((await poll(hub, again, 0)).entries))[0]["text"] == "hi"
            await post(hub, again, "again")
            assert (await poll(hub, again, 1)).last == 2

    run(steps)


def test_polled_room_stays_open_and_closes_after_the_last_poll() -> None:
    async def steps() -> None:
        async with open_hub() as hub:
            demo = await enter(hub, "demo")
            await post(hub, demo, "hi")
            await poll(hub, demo, 0)
            assert hub.count_viewers() == 1
            now = time.monotonic()
            hub.release_rooms(now + 1)
            assert hub.count_viewers() == 1
            hub.release_rooms(now + 60)  # the poller has stopped
            assert hub.count_viewers() == 0
            assert names_of(hub) == ["demo"]
            hub.release_rooms(now + 60 + ROOM_IDLE_SECONDS + 5)
            assert names_of(hub) == []

    run(steps)


def test_concurrent_joins_open_a_room_once() -> None:
    async def steps() -> None:
        async with open_hub() as hub:
            room = await asyncio.gather(*(enter(hub, "demo") for _ in range(20)))
            assert len({id(room) for room in room}) == 1

    run(steps)


class GatedJournal:
    """A journal that lets a waiting task go on while it reports that a room does not exist."""

    def __init__(self, journal: LocalJournal, gate: asyncio.Future[None]) -> None:
        self._journal = journal
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def find_room(self, name: str) -> JournalRoom | None:
        found = await self._journal.find_room(name)
        self._gate.set_result(None)
        return found


def test_join_that_meets_the_end_of_a_read_of_an_unknown_room_creates_it() -> None:
    async def steps() -> None:
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def join(hub: Hub) -> Room:
            await gate
            return await enter(hub, "demo")

        async with open_hub(wrap=lambda journal: GatedJournal(journal, gate)) as hub:
            joining = asyncio.ensure_future(join(hub))
            assert await hub.open_existing_room("demo") is None
            assert (await joining).name == "demo"

    run(steps)


def test_cancelled_opening_leaves_the_room_to_the_other_callers() -> None:
    async def steps() -> None:
        async with open_hub() as hub:
            impatient = asyncio.ensure_future(hub.open_room("demo"))
            patient = asyncio.ensure_future(enter(hub, "demo"))
            await asyncio.sleep(0)
            impatient.cancel()
            assert (await patient).name == "demo"

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


def test_stopping_hub_rejects_posts_and_answers_long_polls() -> None:
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


def test_retry_during_the_commit_shares_its_answer_and_costs_no_token() -> None:
    async def steps() -> None:
        async with open_hub(post_burst=5) as hub:
            demo = await enter(hub, "demo")
            refs = [f"k{number}" for number in range(5)]
            firsts = [asyncio.ensure_future(post(hub, demo, ref, ref)) for ref in refs]
            await asyncio.sleep(0)
            retries = await asyncio.gather(*(post(hub, demo, ref, ref) for ref in refs))
            acks = await asyncio.gather(*firsts)
            assert [ack.seq for ack in acks if isinstance(ack, Ack)] == [1, 2, 3, 4, 5]
            assert retries == [Ack(ack.ref, ack.epoch, ack.seq, dup=True) for ack in acks]
            assert demo.head == 5

    run(steps)


def test_retries_of_a_pending_post_are_bounded() -> None:
    async def steps() -> None:
        async with open_hub(post_burst=1) as hub:
            demo = await enter(hub, "demo")
            asks = (post(hub, demo, "hi", "k1") for _ in range(RETRY_LIMIT + 2))
            *answered, refused = await asyncio.gather(*asks)
            assert {ack.seq for ack in answered if isinstance(ack, Ack)} == {1}
            assert isinstance(refused, Rejection)
            assert refused.code == "busy"

    run(steps)


def test_post_rejected_for_a_full_queue_costs_no_token() -> None:
    async def steps() -> None:
        async with open_hub(journal_limits=JournalLimits(pending=1), post_burst=1) as hub:
            demo = await enter(hub, "demo")
            await hub.change_settings(demo, SettingsPatch(slow_mode=3600), AUTHOR)
            other = hub.post(demo, Author("g-2", "Fox"), Post("first"))
            rejected = await post(hub, demo, "one")
            assert isinstance(rejected, Rejection)
            assert rejected.code == "busy"
            await other
            assert isinstance(await post(hub, demo, "one"), Ack)

    run(steps)


def test_skip_carries_the_current_settings() -> None:
    async def steps() -> None:
        async with open_hub(post_rate=0) as hub:
            demo = await enter(hub, "demo")
            viewer = SocketViewer()
            with contextlib.closing(viewer):
                await hub.join(demo, viewer, AUTHOR, "", None, 0)
                demo.pause(viewer)
                patch = SettingsPatch(video_url="https://example.org/film.mp4")
                await hub.change_settings(demo, patch, AUTHOR)
                for _ in range(2 * HISTORY_LIMIT // 500 + 1):
                    await asyncio.gather(*(post(hub, demo, "x") for _ in range(500)))
                demo.resume(viewer)
                (skip,) = [message for message in viewer.messages() if message["type"] == "skip"]
                assert skip["first"] == 1
                assert skip["settings"] == {"video_url": "https://example.org/film.mp4"}

    run(steps)
