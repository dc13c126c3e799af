"""Held comments in the archive: unseen until they are decided, and decided once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chat.archive import Archive, UnsavedEntry
from chat.core.comment import Comment
from chat.core.moderation.acts import ClearAct, DecideAct, HoldAct, decode_act
from chat.core.moderation.held import Decision, HeldQueue, HeldRecord
from tests.support.journal_harness import make_opener, run

COMMENT = Comment(seq=0, user="owl", name="Owl", text="hello", at=5)


@pytest.fixture
def archive() -> Iterator[Archive]:
    opened = Archive("sqlite://")
    yield opened
    opened.close()


def held(user: str = "owl", at: int = 5, ref: str | None = None) -> UnsavedEntry:
    act = HoldAct(at=at, by="", by_name="", user=user, name="Owl", cause="hold_all", ref=ref)
    return UnsavedEntry(1, None, ref, act, payload=msgspec.json.encode(COMMENT))


def hold(archive: Archive, user: str = "owl", at: int = 5, ref: str | None = None) -> int:
    stored = archive.append([held(user, at, ref)])[0]
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
    assert [one.number for one in archive.read_held(1)] == [number]
    stored = archive.append([decision(number, approved=True)])[0]
    assert (stored.seq, stored.dup) == (1, False)
    assert [seq for seq, _ in archive.read(1, 0, 10)] == [1]
    assert archive.read_held(1) == []
    assert archive.find_held(1, number) == HeldRecord(number, Decision.APPROVED, 1)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", [True, False])
def test_first_decision_counts(archive: Archive, first: bool, together: bool) -> None:
    archive.load_or_create_room("demo", "e")
    number = hold(archive)
    both = [decision(number, first), decision(number, not first)]
    results = archive.append(both) if together else [archive.append([one])[0] for one in both]
    assert [one.dup for one in results] == [False, True]
    expected = (
        HeldRecord(number, Decision.APPROVED, 1) if first else HeldRecord(number, Decision.REJECTED)
    )
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
    assert archive.find_held(1, number) == HeldRecord(number, Decision.CLEARED)


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
    assert [one.number for one in archive.read_held(1)] == [other]


@pytest.mark.parametrize("approved", [True, False])
def test_ref_tells_how_a_held_comment_stands(archive: Archive, approved: bool) -> None:
    archive.load_or_create_room("demo", "e")
    number = hold(archive, ref="r")
    # As it would be posted now that nothing is held, and as it was.
    retries = [UnsavedEntry(1, COMMENT, "r"), held(ref="r")]
    waiting = archive.append(retries)
    assert all(one.dup and one.held is not None for one in waiting)
    assert [one.held.decision for one in waiting if one.held] == [None, None]
    archive.append([decision(number, approved)])
    result = Decision.APPROVED if approved else Decision.REJECTED
    for one in archive.append(retries):
        assert one.held == HeldRecord(number, result, 1 if approved else None)
        assert one.seq == approved


def test_same_ref_twice_in_a_batch_is_held_once(archive: Archive) -> None:
    archive.load_or_create_room("demo", "e")
    first, second = archive.append([held(ref="r"), held(ref="r")])
    assert first.act is not None
    assert second.held == HeldRecord(first.act.id)
    assert len(archive.read_held(1)) == 1


def test_ref_of_another_user_is_held_as_well(archive: Archive) -> None:
    archive.load_or_create_room("demo", "e")
    hold(archive, ref="r")
    hold(archive, user="fox", ref="r")
    assert len(archive.read_held(1)) == 2


def test_queue_of_an_opened_room_is_that_which_was_followed(archive: Archive) -> None:
    archive.load_or_create_room("demo", "e")
    queue = HeldQueue()
    for ref in ("a", "b", "c"):
        hold(archive, ref=ref)
    archive.append([decision(2, approved=True)])
    for body in archive.read_acts(1, 0, 10):
        queue.apply(decode_act(body).act)
    opened = HeldQueue(archive.open_rooms({"demo": None}, 10)["demo"].held, 4)
    for one in (queue, opened):
        assert [one.find("owl", ref) for ref in ("a", "b", "c")] == [1, None, 3]
        # The decision is the fourth act, and there is no fifth.
        assert [one.is_decided(number) for number in (1, 2, 3, 5)] == [False, True, False, False]


def test_held_comments_are_trimmed_with_their_acts(archive: Archive) -> None:
    archive.load_or_create_room("demo", "e")
    old, new = hold(archive, at=5), hold(archive, at=50)
    archive.trim_acts(1, 20)
    assert archive.find_held(1, old) is None
    assert [one.number for one in archive.read_held(1)] == [new]


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
