"""What could grow has a bound with a name, a metric, and an answer when it is reached."""

from __future__ import annotations

import asyncio
import functools

import pytest
from msgspec import Raw

import chat.core.room
import chat.fanout.audience
import chat.fanout.pieces
import chat.hub
import chat.journal.local
from chat.core.history import History
from chat.core.reject import Rejection
from chat.core.wire import Ack, Cursor, Page, Post
from chat.fanout.pieces import Pieces
from chat.hub import Hub
from tests.integration.test_hub import AUTHOR, enter, open_hub, poll, post, run


def read_metric(hub: Hub, name: str) -> float | None:
    return hub._metrics.registry.get_sample_value(name)


def test_posts_over_the_pending_limit_are_told_when_to_come_back_and_the_others_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chat.journal.local, "PENDING_LIMIT", 10)

    async def steps() -> None:
        async with open_hub(post_rate=0) as hub:
            opened = await enter(hub, "demo")
            answers: list[Ack | Rejection] = []
            all_answered = asyncio.Event()

            def take(answer: Ack | Rejection) -> None:
                answers.append(answer)
                if len(answers) == 25:
                    all_answered.set()

            for number in range(25):
                hub.post(opened, AUTHOR, Post(f"{number}"), take)
            assert read_metric(hub, "danmaku_pending_comments") == 10
            refused = [answer for answer in answers if isinstance(answer, Rejection)]
            assert {(answer.code, answer.retry_after) for answer in refused} == {("busy", 1.0)}
            assert len(refused) == 15
            await all_answered.wait()
            assert read_metric(hub, "danmaku_pending_comments") == 0
            ack = await post(hub, opened, "there is room again")
            assert isinstance(ack, Ack)
            assert opened.room.history.head == ack.seq == 11

    run(steps)


def test_long_polls_over_the_limit_are_told_when_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chat.hub, "WAIT_LIMIT", 3)

    async def steps() -> None:
        async with open_hub() as hub:
            # The limit is the server's, not a room's.
            rooms = [await enter(hub, f"room-{number}") for number in range(4)]
            polls = [asyncio.ensure_future(poll(hub, opened, 0, 20)) for opened in rooms[:3]]
            await asyncio.sleep(0)
            assert read_metric(hub, "danmaku_long_polls") == 3
            cursor = Cursor(rooms[3].room.epoch, 0)
            refused = await hub.read_page(rooms[3], cursor, 50, 20, "somebody")
            assert isinstance(refused, Rejection)
            assert (refused.code, refused.retry_after) == ("busy", 1.0)
            assert (await poll(hub, rooms[3], 0)).last == 0  # short polling goes on
            polls[0].cancel()
            await asyncio.gather(polls[0], return_exceptions=True)
            assert read_metric(hub, "danmaku_long_polls") == 2
            for opened, waiting in zip(rooms[1:3], polls[1:], strict=True):
                await post(hub, opened, "hi")
                assert (await waiting).last == 1
            assert read_metric(hub, "danmaku_long_polls") == 0

    run(steps)


def test_pollers_over_the_limit_are_answered_and_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chat.fanout.audience, "POLLER_LIMIT", 3)

    async def steps() -> None:
        async with open_hub() as hub:
            opened = await enter(hub, "demo")
            await post(hub, opened, "hi")
            cursor = Cursor(opened.room.epoch, 0)
            for number in range(5):
                page = await hub.read_page(opened, cursor, 50, 0, f"poller {number}")
                assert isinstance(page, Page)
                assert page.last == 1
            assert read_metric(hub, "danmaku_viewers") == 3

    run(steps)


def test_what_is_made_once_for_all_who_join_is_counted_and_bounded() -> None:
    async def steps() -> None:
        async with open_hub(post_rate=0) as hub:
            opened = await enter(hub, "demo")
            assert read_metric(hub, "danmaku_made_bytes") == 0
            for number in range(10):
                await post(hub, opened, f"{number}")
            sizes = []
            for count in range(1, 11):
                opened.audience.recent(count)
                sizes.append(read_metric(hub, "danmaku_made_bytes"))
            whole = len(bytes(opened.audience.recent(10)))
            assert whole <= max(sizes) < 4 * whole
            hub.forget("demo", 10)
            assert read_metric(hub, "danmaku_made_bytes") == 0

    run(steps)


@pytest.mark.parametrize("deflate", [False, True])
def test_batches_made_for_viewers_that_lag_are_bounded_in_bytes(
    monkeypatch: pytest.MonkeyPatch, deflate: bool
) -> None:
    monkeypatch.setattr(chat.fanout.pieces, "MADE_BYTES", 100_000)
    history = History()
    for seq in range(1, 501):
        history.append(seq, b'{"seq":%d,"text":"%s"}' % (seq, b"w" * 100))
    pieces = Pieces("e", history, lambda: Raw(b"{}"), 0)
    pieces.take_up(1, 500, 0.0)
    largest = sum(map(len, pieces.after(0, 500, deflate=deflate).frames))
    for cursor in range(500):
        assert pieces.after(cursor, 500, deflate=deflate).cursor == 500
        assert 0 < pieces.count_bytes() < 100_000 + largest
    pieces.take_up(501, 500, 1.0)
    assert pieces.count_bytes() == 0


def test_rooms_over_the_limit_are_told_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.hub, "ROOM_LIMIT", 3)

    async def steps() -> None:
        async with open_hub() as hub:
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


def test_history_holds_no_more_than_twice_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.hub, "History", functools.partial(History, limit=10))

    async def steps() -> None:
        async with open_hub(post_rate=0) as hub:
            opened = await enter(hub, "demo")
            held = []
            for number in range(60):
                await post(hub, opened, f"{number}")
                held.append(read_metric(hub, "danmaku_history_entries"))
            assert max(held) < 20
            assert held[-1] >= 10

    run(steps)


def test_known_refs_are_bounded_and_the_archive_knows_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chat.core.room, "REF_LIMIT", 10)

    async def steps() -> None:
        async with open_hub(post_rate=0) as hub:
            opened = await enter(hub, "demo")

            async def say(ref: str) -> Ack | Rejection:
                answer: asyncio.Future[Ack | Rejection]
                answer = asyncio.get_running_loop().create_future()
                hub.post(opened, AUTHOR, Post("hi", ref), answer.set_result)
                return await answer

            for number in range(25):
                await say(f"k{number}")
            assert read_metric(hub, "danmaku_known_refs") == 10
            again = await say("k0")
            assert isinstance(again, Ack)
            assert (again.seq, again.dup) == (1, True)

    run(steps)
