"""Retractions and trimming through the journal, during posts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from chat.core.comment import Comment
from chat.core.entry import NumberedEntry
from chat.core.moderation.acts import NumberedAct
from chat.core.retraction import Retraction
from tests.support.journal_harness import OpenJournal, make_opener, run


class Bodies:
    """What a journal delivered, as it was delivered."""

    def __init__(self) -> None:
        self.all: list[dict] = []

    def deliver(
        self, room: str, entries: Sequence[NumberedEntry], acts: Sequence[NumberedAct]
    ) -> None:
        self.all += [json.loads(numbered.body) for numbered in entries]


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - it is the disk that is looked at
            await asyncio.sleep(0.01)


def test_retraction_is_numbered_and_delivered_and_its_text_is_removed(
    open_journal: OpenJournal,
) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            bodies = Bodies()
            recorder.journal._delivery.deliver = bodies.deliver
            await recorder.journal.open_room("demo")
            for text in ("a", "b"):
                await recorder.append("demo", text)
            place = await recorder.journal.append("demo", Retraction(seq=0, target=1, at=18), None)
            assert place.seq == 3
            assert bodies.all[-1] == {"kind": "retract", "seq": 3, "target": 1, "at": 18}
            found = [json.loads(body) for body in await recorder.journal.read("demo", 0, 10)]
            assert [body["kind"] for body in found] == ["retracted", "comment", "retract"]

    run(steps)


def test_retracted_text_leaves_the_file_while_the_server_runs(
    open_file: OpenJournal, database: Path
) -> None:
    def is_on_disk(text: bytes) -> bool:
        return any(text in file.read_bytes() for file in database.parent.glob(database.name + "*"))

    async def steps() -> None:
        async with open_file() as recorder:
            recorder.journal._delivery.deliver = Bodies().deliver
            await recorder.journal.open_room("demo")
            for number in range(20):
                await recorder.append("demo", f"secret-{number}.")
            assert is_on_disk(b"secret-7.")
            for target in (8, 9):
                await recorder.journal.append("demo", Retraction(seq=0, target=target, at=18), None)
            await wait_until(lambda: not is_on_disk(b"secret-7.") and not is_on_disk(b"secret-8."))
            assert is_on_disk(b"secret-9.")

    run(steps)


def test_trim_removes_old_entries_and_ranges_below_it_are_empty(
    open_journal: OpenJournal,
) -> None:
    async def steps() -> None:
        async with open_journal(trim_step=10, trim_pause=0) as recorder:
            for room in ("demo", "music"):
                await recorder.journal.open_room(room)
            await asyncio.gather(*(recorder.append("demo", f"{n}") for n in range(35)))
            assert await recorder.journal.trim(17) == 0
            assert recorder.trimmed_rooms == []
            assert await recorder.journal.trim(18) == 35
            # Before and after the deletion, for a room that was opened in between.
            expected = [("demo", last) for last in (10, 20, 30, 35)]
            assert recorder.trimmed_rooms == [one for one in expected for _ in range(2)]
            assert await recorder.journal.read("demo", 0, 10) == []
            assert (await recorder.append("demo", "next")).seq == 36
            assert await recorder.journal.read("demo", 0, 10) == []
            assert await recorder.journal.read("demo", 34, 10) == []
            (last,) = await recorder.journal.read("demo", 35, 10)
            assert json.loads(last)["seq"] == 36

    run(steps)


def test_comments_are_kept_between_the_steps_of_a_trim(
    open_file: OpenJournal,
) -> None:
    async def steps() -> None:
        async with open_file(trim_step=50) as recorder:
            await recorder.journal.open_room("demo")
            await asyncio.gather(*(recorder.append("demo", f"{n}") for n in range(500)))
            trim = asyncio.ensure_future(recorder.journal.trim(18))
            kept = 0
            while not trim.done():
                young = Comment(seq=0, user="g-1", name="Owl", text="meanwhile", at=18)
                await recorder.journal.append("demo", young, None)
                kept += 1
            assert kept >= 10
            assert await trim == 500

    run(steps)


def test_room_opens_after_a_trim_with_what_is_left(open_file: OpenJournal, database: Path) -> None:
    async def steps() -> None:
        async with open_file() as recorder:
            await recorder.journal.open_room("demo")
            await asyncio.gather(*(recorder.append("demo", f"{n}") for n in range(20)))
            recorder.journal._archive.trim(1, 15)
            recorder.journal.close_room("demo")
            again = await recorder.journal.open_room("demo")
            assert (again.head, len(again.recent)) == (20, 5)
        async with make_opener(f"sqlite:///{database}")() as recorder:
            recorder.journal._archive.trim(1, 20)
            again = await recorder.journal.open_room("demo")
            assert (again.head, again.recent) == (20, [])

    run(steps)
