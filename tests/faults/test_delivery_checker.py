"""The checker finds each kind of violation, and nothing where there is none."""

from __future__ import annotations

import copy
import random

import pytest

from tests.support.delivery_checker import (
    Acked,
    Body,
    Cursor,
    History,
    Joined,
    Received,
    Skipped,
    check,
)


def comment(seq: int, text: str = "") -> Body:
    return {"kind": "comment", "seq": seq, "text": text or f"text {seq}"}


def retract(seq: int, target: int) -> Body:
    return {"kind": "retract", "seq": seq, "target": target}


def retracted(seq: int) -> Body:
    return {"kind": "retracted", "seq": seq}


def store(*bodies: Body) -> dict[Cursor, Body]:
    return {("e", body["seq"]): body for body in bodies}


STORED = store(*(comment(seq) for seq in range(1, 10)))
FRESH = Joined("e", 0, False, [])


def find(seen: list, archive: dict[Cursor, Body] = STORED, acked: list[Acked] | None = None) -> str:
    """Return the kinds of violation that the checker finds in one viewer's history."""
    found = check([History("v", seen, acked or [])], archive)
    return ", ".join(sorted({sentence.partition(":")[0] for sentence in found}))


def test_honest_history_has_no_violation() -> None:
    seen = [
        Joined("e", 2, False, [comment(1), comment(2)]),
        Received(3, 4, [comment(3), comment(4)]),
        Received(5, 7, [comment(6)], thinned=2),
        Skipped(8, 8),
        Joined("e", 9, True, [comment(9)], after=("e", 8)),
        Joined("e", 9, True, [], after=("e", 9)),
    ]
    acked = [Acked("text 3", "e", 3), Acked("text 3", "e", 3), Acked("text 5", "e", 5)]
    assert find(seen, acked=acked) == ""


def test_new_epoch_and_reported_gaps_are_no_violation() -> None:
    archive = {("f", 1): comment(1, "anew"), **STORED}
    seen = [
        Joined("e", 3, False, [comment(3)]),
        Joined("e", 9, False, [comment(8), comment(9)], after=("e", 3)),
        Joined("f", 1, False, [comment(1, "anew")], after=("e", 9)),
    ]
    assert find(seen, archive) == ""


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        ([FRESH, Received(1, 2, [comment(1), comment(2)]), Received(4, 4, [comment(4)])], "hole"),
        ([FRESH, Received(1, 3, [comment(1), comment(3)])], "hole"),
        ([FRESH, Received(1, 3, [comment(1), comment(3)], thinned=2)], "hole"),
        ([FRESH, Skipped(2, 3)], "hole"),
        ([FRESH, Received(1, 1, [comment(1)]), Received(1, 2, [comment(1), comment(2)])], "again"),
        ([FRESH, Received(1, 2, [comment(2), comment(1)])], "out of order"),
        ([FRESH, Received(1, 2, [comment(2), comment(3)])], "out of range"),
        ([Received(1, 1, [comment(1)])], "no welcome"),
        (
            [Joined("e", 3, False, [comment(3)]), Joined("e", 6, True, [comment(6)], ("e", 3))],
            "hole",
        ),
        (
            [
                Joined("e", 3, False, [comment(3)]),
                Joined("e", 6, True, [comment(5), comment(6)], ("e", 4)),
            ],
            "wrong cursor",
        ),
        ([Joined("f", 0, True, [], ("e", 0))], "another epoch"),
        ([Joined("e", 0, True, [])], "recovered from nothing"),
        ([FRESH, Received(1, 1, [comment(1, "another")])], "two bodies"),
        ([Joined("e", 10, False, [comment(10)])], "not stored"),
    ],
)
def test_violation_in_a_stream_is_found(seen: list, kind: str) -> None:
    assert kind in find(seen).split(", ")


def test_different_bodies_of_two_viewers_are_found_even_if_neither_is_stored() -> None:
    histories = [
        History("a", [Joined("e", 1, False, [comment(1, "x")])]),
        History("b", [Joined("e", 1, False, [comment(1, "y")])]),
    ]
    found = check(histories, {})
    assert sum(sentence.startswith("two bodies") for sentence in found) == 1
    assert sum(sentence.startswith("not stored") for sentence in found) == 2


def test_acked_comment_that_is_not_stored_is_found() -> None:
    assert find([], acked=[Acked("text 10", "e", 10)]) == "lost"
    assert find([], acked=[Acked("another", "e", 3)]) == "lost"


def test_post_acked_or_stored_under_two_numbers_is_found() -> None:
    archive = store(comment(1, "once"), comment(2, "once"))
    acked = [Acked("once", "e", 1), Acked("once", "e", 2)]
    assert find([], archive, acked) == "stored twice, two numbers"


def test_retraction_is_no_violation() -> None:
    archive = store(retracted(1), comment(2), retract(3, 1))
    before = [FRESH, Received(1, 2, [comment(1), comment(2)]), Received(3, 3, [retract(3, 1)])]
    after = [Joined("e", 3, False, [retracted(1), comment(2), retract(3, 1)])]
    acked = [Acked("text 1", "e", 1)]
    assert find(before, archive, acked) == find(after, archive, acked) == ""


def test_retracted_text_that_is_sent_again_is_found() -> None:
    archive = store(retracted(1), retract(2, 1))
    seen = [
        FRESH,
        Received(1, 1, [comment(1)]),
        Received(2, 2, [retract(2, 1)]),
        Joined("e", 2, False, [comment(1), retract(2, 1)], ("e", 2)),
    ]
    assert find(seen[:3], archive) == ""
    assert find(seen, archive) == "retracted text again"


@pytest.mark.parametrize(
    "seen",
    [
        [Joined("e", 2, False, [comment(1), retract(2, 1)])],
        [FRESH, Joined("e", 2, True, [comment(1), retract(2, 1)], ("e", 0))],
        [FRESH, Received(1, 2, [comment(1), retract(2, 1)])],
        [FRESH, Received(1, 3, [comment(1), comment(3)], thinned=1)],
    ],
)
def test_text_sent_after_its_retraction_is_found(seen: list) -> None:
    archive = store(retracted(1), retract(2, 1), comment(3))
    assert find(seen, archive) == "retracted text again"


def test_retracted_text_that_is_still_stored_is_found() -> None:
    assert find([], store(comment(1), retract(2, 1))) == "not purged"


@pytest.mark.parametrize("seed", range(20))
def test_any_entry_removed_from_a_stream_is_detected(seed: int) -> None:
    dice = random.Random(seed)
    seen: list = [FRESH]
    at = 0
    while at < 9:
        last = min(9, at + dice.randint(1, 3))
        bodies = [comment(seq) for seq in range(at + 1, last + 1)]
        after = ("e", at)
        again = Joined("e", last, True, bodies, after)
        seen.append(again if dice.random() < 0.3 else Received(at + 1, last, bodies))
        at = last
    assert find(seen) == ""
    broken = copy.deepcopy(seen)
    step = dice.choice([step for step in broken if step.__dict__.get("entries")])
    del step.entries[dice.randrange(len(step.entries))]
    assert "hole" in find(broken).split(", ")


CLEAR = {"kind": "clear", "seq": 3, "before": 2}
CLEAR_USER = {"kind": "clear_user", "seq": 3, "before": 2, "user": "a"}
BY_A, BY_B = {**comment(1), "user": "a"}, {**comment(2), "user": "b"}


def test_cleared_comments_are_no_violation_unless_they_are_sent_again() -> None:
    archive = store(retracted(1), retracted(2), CLEAR)
    before = [FRESH, Received(1, 2, [BY_A, BY_B]), Received(3, 3, [CLEAR])]
    assert find(before, archive, [Acked("text 1", "e", 1)]) == ""
    again = [Joined("e", 3, False, [BY_A, retracted(2), CLEAR])]
    assert find(again, archive) == "retracted text again"


def test_clear_of_a_user_removes_only_that_users_comments() -> None:
    assert find([], store(retracted(1), BY_B, CLEAR_USER), [Acked("text 1", "e", 1)]) == ""
    assert find([], store(BY_A, BY_B, CLEAR_USER)) == "not purged"
    seen = [FRESH, Received(1, 2, [BY_A, BY_B])]
    # Of a user who was not cleared: the comment must be there.
    archive = store(retracted(1), retracted(2), CLEAR_USER)
    assert find(seen, archive, [Acked("text 2", "e", 2)]) == "lost"
