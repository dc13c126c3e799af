"""The entries that the Python client has received: none twice, and each gap reported."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from chat.client.entries import Entries, Entry, Missed
from chat.core.comment import Comment, Role
from chat.core.wire import Cursor, Welcome


def welcome(first: int, last: int, **fields: Any) -> Welcome:
    """Return a welcome to the head ``last`` with the recent history from ``first`` on."""
    bodies = [
        {"kind": "comment", "seq": seq, "user": "g-1", "name": "Owl", "text": "hi", "at": 1}
        for seq in range(first, last + 1)
    ]
    return Welcome(
        room="demo",
        epoch="e1",
        seq=last,
        user="g-1",
        name="Owl",
        role=Role.VIEWER,
        session="",
        settings=msgspec.Raw(b'{"title":"now"}'),
        viewers=1,
        recovered=False,
        entries=msgspec.Raw(json.dumps(bodies).encode()),
        **fields,
    )


def read(entries: Entries) -> list[int | Missed]:
    """Return the seqs of the comments, and what was missed."""

    async def steps() -> list[Entry]:
        entries.end()
        return [entry async for entry in entries]

    return [entry.seq if isinstance(entry, Comment) else entry for entry in asyncio.run(steps())]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (8, [Missed(6, 7, "limit", {"title": "now"}), 8, 9]),
        (6, [6, 7, 8, 9]),
        (3, [6, 7, 8, 9]),  # the history begins before the cursor
        (10, [Missed(6, 9, "limit", {"title": "now"})]),
    ],
)
def test_resume_over_the_limit_gives_no_entry_twice(first: int, expected: list[Any]) -> None:
    entries = Entries(Cursor("e1", 5))
    entries.add_welcome(welcome(first, 9, reason="limit"))
    assert read(entries) == expected
    assert entries.cursor == Cursor("e1", 9)


def test_history_of_another_epoch_is_given_completely() -> None:
    entries = Entries(Cursor("e0", 5))
    entries.add_welcome(welcome(3, 9, reason="epoch"))
    assert read(entries) == [Missed(0, 0, "epoch", {"title": "now"}), *range(3, 10)]
