"""What the Python client could not get is told to its user in its place, never passed over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import chat.client
from chat.client import Client, Missed
from chat.core.comment import Comment
from chat.core.wire import Cursor
from chat.hub import RESUME_LIMIT
from tests.serving import ServerProcess


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(steps(), 30))


async def say(url: str, count: int) -> str:
    """Say so many things in a room, and return its epoch."""
    async with Client(url) as client:
        await asyncio.gather(*(client.post(f"text {number}") for number in range(count)))
        assert client.cursor is not None
        return client.cursor.epoch


async def hear(client: Client, last: int) -> list[Any]:
    """Return what a client is told up to the comment of a number."""
    heard = []
    async for entry in client:
        heard.append(entry)
        if isinstance(entry, Comment) and entry.seq == last:
            break
    return heard


def test_client_that_was_away_too_long_is_told_which_entries_it_missed(
    server: ServerProcess, room: str
) -> None:
    url, head = f"{server.ws_url}/ws/{room}", RESUME_LIMIT + 20

    async def steps() -> None:
        epoch = await say(url, head)
        async with Client(url, cursor=Cursor(epoch, 5), history=10) as client:
            missed, *comments = await hear(client, head)
        assert missed == Missed(6, head - 10, "limit")
        assert [comment.seq for comment in comments] == list(range(head - 9, head + 1))

    run(steps)


@pytest.mark.parametrize(("cursor", "why"), [("{}:99", "ahead"), ("0unknown:1", "epoch")])
def test_client_whose_cursor_is_of_another_numbering_is_told_so(
    server: ServerProcess, room: str, cursor: str, why: str
) -> None:
    url = f"{server.ws_url}/ws/{room}"

    async def steps() -> None:
        epoch, _, seq = cursor.format(await say(url, 3)).partition(":")
        async with Client(url, cursor=Cursor(epoch, int(seq))) as client:
            missed, *comments = await hear(client, 3)
            assert missed == Missed(0, 0, why)
            assert [comment.seq for comment in comments] == [1, 2, 3]
            await client.post("next")
            assert [entry.seq for entry in await hear(client, 4)] == [4]

    run(steps)


def test_client_that_reads_too_late_is_told_what_its_buffer_did_not_hold(
    server: ServerProcess, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{server.ws_url}/ws/{room}"
    monkeypatch.setattr(chat.client, "BUFFER_LIMIT", 5)

    async def steps() -> None:
        await say(url, 20)
        async with Client(url) as client:
            missed, *comments = await hear(client, 20)
        assert missed == Missed(1, comments[0].seq - 1, "unread")
        assert [comment.seq for comment in comments] == list(range(missed.last + 1, 21))
        assert len(comments) <= 5

    run(steps)
