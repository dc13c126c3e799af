"""Which comments an entry removes: alike in the core, on the pages and in the Python client."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from chat.client.entries import Entries
from chat.core.comment import Comment
from chat.core.retraction import Removal, removes
from chat.core.wire import Batch, Cursor
from tests.support.javascript import run

COMMENTS = [
    {"kind": "comment", "seq": seq, "user": user, "name": "Owl", "text": "hi", "at": 1}
    for seq, user in enumerate(["a", "b", "a", "b", "a"], 1)
]
CASES = [
    ({"kind": "retract", "target": 2}, [2]),
    ({"kind": "retract", "target": 9}, []),
    ({"kind": "clear", "before": 3}, [1, 2, 3]),
    ({"kind": "clear", "before": 9}, [1, 2, 3, 4, 5]),
    ({"kind": "clear_user", "user": "a", "before": 4}, [1, 3]),
    ({"kind": "clear_user", "user": "c", "before": 9}, []),
]


@pytest.mark.parametrize(("removal", "removed"), CASES)
def test_removal_is_the_same_everywhere(removal: dict[str, Any], removed: list[int]) -> None:
    entry = {"seq": 6, "at": 2, **removal}
    decoded: Removal = msgspec.convert(entry, Removal)
    comments = [msgspec.convert(comment, Comment) for comment in COMMENTS]
    assert [one.seq for one in comments if removes(decoded, one.seq, one.user)] == removed
    program = """
        import { removedBy } from MODULE;
        const [entry, comments] = asked;
        answer(comments.filter(removedBy(entry)).map(({ seq }) => seq));
    """
    assert run("connection/removals.js", program, [entry, COMMENTS]) == removed

    async def read() -> list[int]:
        entries = Entries(Cursor("e", 0))
        for first, last, bodies in ((1, 5, COMMENTS), (6, 6, [entry])):
            raw = msgspec.Raw(json.dumps(bodies).encode())
            entries.add_range(Batch(epoch="e", first=first, last=last, entries=raw))
        entries.end()
        kinds = [(one.seq, getattr(one, "kind", "comment")) async for one in entries]
        assert [seq for seq, _ in kinds] == [1, 2, 3, 4, 5, 6]
        assert kinds[-1] == (6, removal["kind"])
        return [seq for seq, kind in kinds if kind == "retracted"]

    assert asyncio.run(read()) == removed
