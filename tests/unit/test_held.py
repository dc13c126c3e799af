"""Held comments in the archive: unseen until they are decided, and decided once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chat.archive import Archive, UnsavedEntry
from chat.archive.held import HeldRecord
from chat.core.comment import Comment
from chat.core.moderation.acts import ClearAct, DecideAct, HoldAct
from tests.support.journal_harness import make_opener, run

COMMENT = Comment(seq=0, user="owl", name="Owl", text="hello", at=5)


@pytest.fixture
def archive() -> Iterator[Archive]:
    opened = Archive("sqlite://")
    yield opened
    opened.close()


def hold(archive: Archive, user: str = "owl", at: int = 5) -> int:
    act = HoldAct(at=at, by="", by_name="", user=user, name="Owl", cause="hold_all")
    payload = msgspec.json.encode(COMMENT)
    stored = archive.append([UnsavedEntry(1, None, act=act, payload=payload)])[0]
    assert stored.act is not None
    return stored.act.id


def decision(number: int, approved: bool) -> UnsavedEntry:
    act = DecideAct(
        at=9, by="mia", by_name="Mia", held=number, approved=approved, user="owl", name="Owl"
    )
    return UnsavedEntry(1, msgspec.structs.replace(COMMENT, at=9) if approved else None, act=act)


def clear(user: str = "") -> UnsavedEntry:
    return UnsavedEntry(1, None, act=ClearAct(at=9, by="mia", by_name="Mia", before=0, user=user))


def test_held_comment_is_no_entry_until_it_is_approved(archive: Archive) -> None:
    archive.load_or_create_room("demo", "e")
    number = hold(archive)
    assert archive.read(1, 0, 10) == []
    assert [one for one, _ in archive.read_held(1)] == [number]
    stored = archive.append([decision(number, approved=True)])[0]
    assert (stored.seq, stored.dup) == (1, False)
    assert [seq for seq, _ in archive.read(1, 0, 10)] == [1]
    assert archive.read_held(1) == []
    assert archive.find_held(1, number) == HeldRecord("approved", 1)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_first_decision_counts(archive: Archive, first: bool, together: bool) -> None:
    archive.load_or_create_room("demo", "e")
    number = hold(archive)
    both = [decision(number, first), decision(number, not first)]
    results = archive.append(both) if together else [archive.append([one])[0] for one in both]
    assert [one.dup for one in results] == [False, True]
    expected = HeldRecord("approved", 1) if first else HeldRecord("rejected", None)
    assert archive.find_held(1, number) == expected
    assert len(archive.read(1, 0, 10)) == first
    assert len(archive.read_acts(1, 0, 10)) == 2


def test_decision_on_what_was_not_held_stores_nothing(archive: Archive) -> None:
    archive.load_or_create_room("demo", "e")
    assert archive.append([decision(7, approved=True)])[0].dup
    assert (archive.read(1, 0, 10), archive.read_acts(1, 0, 10)) == ([], [])


@pytest.mark.parametrize("together", [True, False])
def test_cleared_comment_cannot_be_approved(archive: Archive, together: bool) -> None:
    archive.load_or_create_room("demo", "e")
    number = hold(archive)
    both = [clear(), decision(number, approved=True)]
    results = archive.append(both) if together else [archive.append([one])[0] for one in both]
    assert results[1].dup
    assert archive.read(1, 0, 10) == []
    assert archive.find_held(1, number) == HeldRecord("cleared", None)


def test_clear_of_another_user_does_not_keep_a_comment_from_being_approved(
    archive: Archive,
) -> None:
    archive.load_or_create_room("demo", "e")
    number = hold(archive)
    results = archive.append([clear("fox"), decision(number, approved=True)])
    assert (results[1].seq, results[1].dup) == (1, False)


def test_clear_of_a_user_leaves_what_others_wait_for(archive: Archive) -> None:
    archive.load_or_create_room("demo", "e")
    hold(archive)
    other = hold(archive, user="fox")
    archive.append([clear("owl")])
    assert [number for number, _ in archive.read_held(1)] == [other]


def test_held_comments_are_trimmed_with_their_acts(archive: Archive) -> None:
    archive.load_or_create_room("demo", "e")
    old, new = hold(archive, at=5), hold(archive, at=50)
    archive.trim_acts(1, 20)
    assert archive.find_held(1, old) is None
    assert [number for number, _ in archive.read_held(1)] == [new]


def test_text_of_a_decided_comment_leaves_the_file(tmp_path: Path) -> None:
    database = tmp_path / "comments.db"

    def is_on_disk(text: bytes) -> bool:
        return any(text in file.read_bytes() for file in tmp_path.glob("comments.db*"))

    async def steps() -> None:
        async with make_opener(f"sqlite:///{database}")() as recorder:
            journal = recorder.journal
            await journal.open_room("demo")
            act = HoldAct(at=5, by="", by_name="", user="owl", name="Owl", cause="links")
            payload = msgspec.json.encode(msgspec.structs.replace(COMMENT, text="secret"))
            held = await journal.append("demo", None, "r", act, payload=payload)
            assert is_on_disk(b"secret")
            refused = DecideAct(
                at=9, by="mia", by_name="Mia", held=held.act, approved=False, user="owl", name="Owl"
            )
            await journal.append("demo", None, None, refused)
            async with asyncio.timeout(10):
                while is_on_disk(b"secret"):  # noqa: ASYNC110 - a file has no event
                    await asyncio.sleep(0.01)

    run(steps)
