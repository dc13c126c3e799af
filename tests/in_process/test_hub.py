"""The hub in this process: what takes minutes outside takes none where time is an argument."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time

from chat.core.history import HISTORY_LIMIT
from chat.core.reject import Rejection
from chat.core.room_settings import SettingsPatch
from chat.core.room_state import Author
from chat.core.wire import Ack, Post
from chat.hub import ROOM_IDLE_SECONDS, Hub
from chat.journal.local import JournalLimits
from chat.room import RETRY_LIMIT
from tests.support.audience_harness import SocketViewer
from tests.support.hub_harness import AUTHOR, enter, open_hub, poll, post, run


def names_of(hub: Hub) -> list[str]:
    return [room.name for room in hub.live_rooms()]


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
            assert (again.epoch, again.head) == (demo.epoch, 1)
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
            room = await asyncio.gather(*(enter(hub, "demo") for _ in range(20)))
            assert len({id(room) for room in room}) == 1

    run(steps)


def test_who_stops_waiting_for_a_room_does_not_take_it_from_the_others() -> None:
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


def test_retry_before_the_disk_is_done_has_the_first_ones_answer_and_costs_no_token() -> None:
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


def test_retries_of_a_post_on_its_way_are_bounded() -> None:
    async def steps() -> None:
        async with open_hub(post_burst=1) as hub:
            demo = await enter(hub, "demo")
            asks = (post(hub, demo, "hi", "k1") for _ in range(RETRY_LIMIT + 2))
            *answered, refused = await asyncio.gather(*asks)
            assert {ack.seq for ack in answered if isinstance(ack, Ack)} == {1}
            assert isinstance(refused, Rejection)
            assert refused.code == "busy"

    run(steps)


def test_post_that_was_rejected_for_a_full_queue_costs_nothing() -> None:
    async def steps() -> None:
        async with open_hub(journal_limits=JournalLimits(pending=1), post_burst=1) as hub:
            demo = await enter(hub, "demo")
            await hub.change_settings(demo, SettingsPatch(slow_mode=3600))
            other = hub.post(demo, Author("g-2", "Fox"), Post("first"))
            rejected = await post(hub, demo, "one")
            assert isinstance(rejected, Rejection)
            assert rejected.code == "busy"
            await other
            assert isinstance(await post(hub, demo, "one"), Ack)

    run(steps)


def test_viewer_that_is_told_of_a_hole_is_told_the_settings() -> None:
    async def steps() -> None:
        async with open_hub(post_rate=0) as hub:
            demo = await enter(hub, "demo")
            viewer = SocketViewer()
            with contextlib.closing(viewer):
                await hub.join(demo, viewer, AUTHOR, "", None, 0)
                demo.pause(viewer)
                patch = SettingsPatch(video_url="https://example.org/film.mp4")
                await hub.change_settings(demo, patch)
                for _ in range(2 * HISTORY_LIMIT // 500 + 1):
                    await asyncio.gather(*(post(hub, demo, "x") for _ in range(500)))
                demo.resume(viewer)
                (skip,) = [told for told in viewer.messages() if told["type"] == "skip"]
                assert skip["first"] == 1
                assert skip["settings"] == {"video_url": "https://example.org/film.mp4"}

    run(steps)
