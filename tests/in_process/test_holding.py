"""The queue of held comments: bounded, answered from memory, and true while the archive fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from chat.core.moderation.held import HELD_LIMIT, HeldPost
from chat.core.reject import Rejection
from chat.core.responses import DecisionDone, HeldList
from chat.core.room_settings import SettingsPatch
from chat.core.room_state import Author
from chat.core.wire import Ack
from chat.hub import Hub
from chat.journal import ReadFailed
from chat.journal.local import LocalJournal
from chat.moderation import Moderation
from chat.room import Room
from tests.support.hub_harness import enter, open_hub, post, run

MODERATOR = Author("mia", "Mia")


@asynccontextmanager
async def open_room(**options: Any) -> AsyncIterator[tuple[Hub, Room, Moderation]]:
    async with open_hub(post_rate=0, **options) as hub:
        room = await enter(hub, "demo")
        await hub.change_settings(room, SettingsPatch(hold_all=True), MODERATOR)
        yield hub, room, Moderation(hub._journal)


def test_room_holds_a_thousand_comments_and_is_busy_then() -> None:
    async def steps() -> None:
        async with open_room() as (hub, room, moderation):
            posts = [post(hub, room, "hello", f"{number}") for number in range(HELD_LIMIT)]
            assert all(isinstance(one, HeldPost) for one in await asyncio.gather(*posts))
            full = await post(hub, room, "hello", "one more")
            assert isinstance(full, Rejection)
            assert full.code == "busy"
            # What is held already is no new comment.
            assert isinstance(await post(hub, room, "hello", "0"), HeldPost)
            held = await moderation.list_held(room)
            assert isinstance(held, HeldList)
            assert len(held.held) == HELD_LIMIT
            done = await moderation.decide(room, held.held[0].id, True, MODERATOR)
            assert isinstance(done, DecisionDone)
            assert isinstance(await post(hub, room, "hello", "one more"), HeldPost)

    run(steps)


def test_retry_of_what_is_held_costs_nothing_and_is_answered_from_memory() -> None:
    async def steps() -> None:
        async with open_room(post_burst=1) as (hub, room, _):
            first = await post(hub, room, "hello", "r")
            assert isinstance(first, HeldPost)
            for _retry in range(10):
                again = await post(hub, room, "hello", "r")
                assert again == HeldPost("r", first.number, is_repeated=True)

    run(steps)


def test_trimmed_comments_free_their_places() -> None:
    async def steps() -> None:
        async with open_room() as (hub, room, moderation):
            held = await post(hub, room, "hello", "r")
            assert isinstance(held, HeldPost)
            await hub._journal.trim(cutoff=2**50)
            assert await moderation.list_held(room) == HeldList([])
            assert len(room.held) == 0
            gone = await moderation.decide(room, held.number, True, MODERATOR)
            assert isinstance(gone, Rejection)
            assert gone.code == "not_found"

    run(steps)


class FailingReads:
    """A journal whose held comments cannot be read while it fails."""

    def __init__(self, journal: LocalJournal) -> None:
        self._journal = journal
        self.fails = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def find_held(self, room: str, number: int) -> Any:
        if self.fails:
            raise ReadFailed
        return await self._journal.find_held(room, number)


def test_nothing_is_decided_while_the_comment_cannot_be_read() -> None:
    async def steps() -> None:
        async with open_room(wrap=FailingReads) as (hub, room, moderation):
            journal: Any = hub._journal
            held = await post(hub, room, "hello", "r")
            assert isinstance(held, HeldPost)
            journal.fails = True
            failed = await moderation.decide(room, held.number, True, MODERATOR)
            assert isinstance(failed, Rejection)
            assert (failed.code, failed.retry_after is None) == ("not_read", False)
            journal.fails = False
            assert isinstance(await post(hub, room, "hello", "r"), HeldPost)
            await moderation.decide(room, held.number, True, MODERATOR)
            assert isinstance(await post(hub, room, "hello", "r"), Ack)

    run(steps)
