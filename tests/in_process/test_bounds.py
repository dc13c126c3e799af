"""Every bound has a metric, and a defined behavior when it is reached."""

from __future__ import annotations

import asyncio
import time

import pytest
from msgspec import Raw

from chat.core.history import History
from chat.core.reject import Rejection
from chat.core.responses import Page
from chat.core.wire import Ack, Cursor, Post
from chat.fanout.batch_cache import BatchCache
from chat.hub import Hub, HubLimits
from chat.journal.local import JournalLimits
from tests.support.hub_harness import AUTHOR, enter, open_hub, poll, post, run


def read_metric(hub: Hub, name: str) -> float | None:
    return hub._metrics.registry.get_sample_value(name)


def test_posts_over_the_pending_limit_are_rejected_with_retry_after() -> None:
    async def steps() -> None:
        async with open_hub(journal_limits=JournalLimits(pending=10), post_rate=0) as hub:
            room = await enter(hub, "demo")
            outcomes = [hub.post(room, AUTHOR, Post(f"{number}")) for number in range(25)]
            assert read_metric(hub, "danmaku_pending_comments") == 10
            rejected = [outcome.result() for outcome in outcomes if outcome.done()]
            assert all(isinstance(answer, Rejection) for answer in rejected)
            assert {(answer.code, answer.retry_after) for answer in rejected} == {("busy", 1.0)}
            assert len(rejected) == 15
            await asyncio.gather(*outcomes)
            assert read_metric(hub, "danmaku_pending_comments") == 0
            ack = await post(hub, room, "there is room again")
            assert isinstance(ack, Ack)
            assert room.head == ack.seq == 11

    run(steps)


def test_long_polls_over_the_limit_are_rejected_with_retry_after() -> None:
    async def steps() -> None:
        async with open_hub(limits=HubLimits(long_polls=3)) as hub:
            # The limit is the server's, not a room's.
            rooms = [await enter(hub, f"room-{number}") for number in range(4)]
            polls = [asyncio.ensure_future(poll(hub, room, 0, 20)) for room in rooms[:3]]
            await asyncio.sleep(0)
            assert read_metric(hub, "danmaku_long_polls") == 3
            cursor = Cursor(rooms[3].epoch, 0)
            refused = await hub.read_page(rooms[3], cursor, 50, 20, "somebody")
            assert isinstance(refused, Rejection)
            assert (refused.code, refused.retry_after) == ("busy", 1.0)
            assert (await poll(hub, rooms[3], 0)).last == 0  # short polling goes on
            polls[0].cancel()
            await asyncio.gather(polls[0], return_exceptions=True)
            assert read_metric(hub, "danmaku_long_polls") == 2
            for room, waiting in zip(rooms[1:3], polls[1:], strict=True):
                await post(hub, room, "hi")
                assert (await waiting).last == 1
            assert read_metric(hub, "danmaku_long_polls") == 0

    run(steps)


def test_cancelled_long_poll_is_counted_for_ten_seconds_and_no_longer() -> None:
    async def steps() -> None:
        async with open_hub() as hub:
            room = await enter(hub, "demo")
            cursor = Cursor(room.epoch, 0)
            polls = [
                asyncio.ensure_future(hub.read_page(room, cursor, 50, 30, "somebody"))
                for _ in range(2)
            ]
            await asyncio.sleep(0)
            polls[0].cancel()
            await asyncio.wait([polls[0]])
            hub.release_rooms(time.monotonic() + 100)
            assert room.viewer_count == 1  # another poll of it waits still
            polls[1].cancel()
            await asyncio.wait([polls[1]])
            hub.release_rooms(time.monotonic() + 9)
            assert room.viewer_count == 1
            hub.release_rooms(time.monotonic() + 11)
            assert room.viewer_count == 0

    run(steps)


def test_pollers_over_the_limit_are_answered_and_not_counted() -> None:
    async def steps() -> None:
        async with open_hub(limits=HubLimits(pollers=3)) as hub:
            room = await enter(hub, "demo")
            await post(hub, room, "hi")
            cursor = Cursor(room.epoch, 0)
            for number in range(5):
                page = await hub.read_page(room, cursor, 50, 0, f"poller {number}")
                assert isinstance(page, Page)
                assert page.last == 1
            assert read_metric(hub, "danmaku_viewers") == 3

    run(steps)


def test_cached_history_json_is_counted_and_bounded() -> None:
    async def steps() -> None:
        async with open_hub(post_rate=0) as hub:
            room = await enter(hub, "demo")
            assert read_metric(hub, "danmaku_made_bytes") == 0
            for number in range(10):
                await post(hub, room, f"{number}")
            sizes = []
            for count in range(1, 11):
                room.recent_json(count)
                sizes.append(read_metric(hub, "danmaku_made_bytes"))
            whole = len(bytes(room.recent_json(10)))
            assert whole <= max(sizes) < 4 * whole
            hub._rooms.trim("demo", 10)
            assert read_metric(hub, "danmaku_made_bytes") == 0

    run(steps)


@pytest.mark.parametrize("deflate", [False, True])
def test_cached_batches_for_lagging_viewers_are_bounded_in_bytes(
    deflate: bool,
) -> None:
    history = History()
    for seq in range(1, 501):
        history.append(seq, b'{"seq":%d,"text":"%s"}' % (seq, b"w" * 100))
    batches = BatchCache("e", history, lambda: Raw(b"{}"), 0, limit=100_000)
    batches.select_entries(1, 500, 0.0)
    largest = sum(map(len, batches.get_batch(0, 500, deflate=deflate).frames))
    for cursor in range(500):
        assert batches.get_batch(cursor, 500, deflate=deflate).cursor == 500
        assert 0 < batches.count_bytes() < 100_000 + largest
    batches.select_entries(501, 500, 1.0)
    assert batches.count_bytes() == 0


def test_rooms_over_the_limit_are_rejected_with_retry_after() -> None:
    async def steps() -> None:
        async with open_hub(limits=HubLimits(rooms=3)) as hub:
            for number in range(3):
                await enter(hub, f"room-{number}")
            assert read_metric(hub, "danmaku_rooms") == 3
            refused = await hub.open_room("one-more")
            assert isinstance(refused, Rejection)
            assert refused.code == "full"
            assert refused.retry_after
            await enter(hub, "room-1")
            hub.release_rooms(float("inf"))
            await enter(hub, "one-more")

    run(steps)


def test_unused_room_is_closed_when_another_needs_its_place() -> None:
    async def steps() -> None:
        async with open_hub(limits=HubLimits(rooms=3, grace_seconds=0), post_rate=0) as hub:
            epochs = {}
            for number in range(30):
                room = await enter(hub, f"room-{number}")
                epochs[number] = room.epoch
                await post(hub, room, f"{number}")
                assert (read_metric(hub, "danmaku_rooms") or 0) <= 3
            again = await enter(hub, "room-0")
            assert (again.epoch, again.head) == (epochs[0], 1)

    run(steps)


def test_room_with_viewers_or_posts_in_flight_is_not_closed() -> None:
    async def steps() -> None:
        async with open_hub(limits=HubLimits(rooms=2, grace_seconds=0), post_rate=0) as hub:
            room = await enter(hub, "polled")
            waiting = asyncio.ensure_future(poll(hub, room, 0, wait=10))
            other = await enter(hub, "posted")
            outcome = hub.post(other, AUTHOR, Post("hi"))
            refused = await hub.open_room("one-more")
            assert isinstance(refused, Rejection)
            assert refused.code == "full"
            assert isinstance(await asyncio.shield(outcome), Ack)
            await post(hub, room, "hi")
            assert (await waiting).last == 1

    run(steps)


def test_bytes_of_all_histories_are_bounded() -> None:
    limit = 200_000

    async def steps() -> None:
        limits = HubLimits(history_bytes=limit, grace_seconds=0)
        async with open_hub(limits=limits, post_rate=0) as hub:
            for number in range(20):
                room = await enter(hub, f"room-{number}")
                for _ in range(20):
                    await post(hub, room, "界" * 100)
                hub.release_rooms(time.monotonic())
                assert (read_metric(hub, "danmaku_history_bytes") or 0) <= limit
            again = await enter(hub, "room-0")
            assert again.head == 20

    run(steps)


def test_history_of_a_watched_room_is_shortened_before_the_bound_is_passed() -> None:
    async def steps() -> None:
        limits = HubLimits(history_bytes=50_000)
        async with open_hub(limits=limits, post_rate=0) as hub:
            room = await enter(hub, "demo")
            for _ in range(300):
                await post(hub, room, "x" * 90)
            waiting = asyncio.ensure_future(poll(hub, room, 300, wait=10))
            await asyncio.sleep(0)
            hub.release_rooms(time.monotonic())
            assert (read_metric(hub, "danmaku_history_bytes") or 0) <= 50_000
            assert 0 < room.history_length < 300
            # What is not in memory any more is read from the archive.
            assert (await poll(hub, room, 0)).first == 1
            await post(hub, room, "next")
            assert (await waiting).last == 301

    run(steps)


def test_history_holds_no_more_than_twice_its_limit() -> None:
    async def steps() -> None:
        async with open_hub(limits=HubLimits(history=10), post_rate=0) as hub:
            room = await enter(hub, "demo")
            held = []
            for number in range(60):
                await post(hub, room, f"{number}")
                held.append(read_metric(hub, "danmaku_history_entries"))
            assert max(held) < 20
            assert held[-1] >= 10

    run(steps)


def test_known_refs_are_bounded_and_the_archive_knows_the_others() -> None:
    async def steps() -> None:
        async with open_hub(limits=HubLimits(refs=10), post_rate=0) as hub:
            room = await enter(hub, "demo")

            for number in range(25):
                await post(hub, room, "hi", f"k{number}")
            assert read_metric(hub, "danmaku_known_refs") == 10
            again = await post(hub, room, "hi", "k0")
            assert isinstance(again, Ack)
            assert (again.seq, again.dup) == (1, True)

    run(steps)
