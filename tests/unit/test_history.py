"""The history, against a plain list."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.core.history import History


def filled(head: int, count: int, limit: int) -> tuple[History, list[bytes]]:
    history = History(head, limit)
    everything = [b"%d" % seq for seq in range(1, head + count + 1)]
    for seq in range(head + 1, head + count + 1):
        history.append(seq, everything[seq - 1])
    return history, everything


histories = st.builds(filled, st.integers(0, 20), st.integers(0, 60), st.integers(1, 12))


@given(histories, st.integers(0, 90), st.integers(0, 90))
def test_history_returns_the_same_ranges_as_a_list(
    made: tuple[History, list[bytes]], seq: int, count: int
) -> None:
    history, everything = made
    assert history.head == len(everything)
    held = everything[history.first - 1 :]
    assert history.recent(count) == (held[-count:] if count else [])
    assert history.has_after(seq) == (history.first - 1 <= seq <= history.head)
    if history.has_after(seq):
        assert history.slice(seq + 1, history.head) == everything[seq:]


@given(st.integers(1, 12), st.integers(0, 100))
def test_history_is_bounded_and_keeps_at_least_its_limit(limit: int, count: int) -> None:
    history, _ = filled(0, count, limit)
    held = history.head - history.first + 1
    assert min(count, limit) <= held <= 2 * limit


@given(histories, st.integers(0, 90))
def test_history_accepts_only_the_next_seq_after_trimming(
    made: tuple[History, list[bytes]], last: int
) -> None:
    history, everything = made
    first = history.first
    history.trim(last)
    assert history.head == len(everything)
    assert history.first == max(first, min(last, history.head) + 1)
    assert history.slice(history.first, history.head) == everything[history.first - 1 :]
    history.append(history.head + 1, b"next")
    assert history.recent(1) == [b"next"]


def test_history_of_a_room_that_was_opened_again_begins_after_its_head() -> None:
    history = History(head=41)
    assert (history.first, history.head) == (42, 41)
    assert history.has_after(41)
    assert not history.has_after(40)
    assert not history.has_after(42)
    assert history.slice(42, 41) == []


@pytest.mark.parametrize("seq", [0, 5, 7])
def test_entry_that_does_not_follow_is_refused(seq: int) -> None:
    history, _ = filled(0, 5, 10)
    with pytest.raises(ValueError, match="does not follow 5"):
        history.append(seq, b"")


@pytest.mark.parametrize(("first", "last"), [(0, 3), (4, 99)])
def test_range_that_is_not_held_is_refused(first: int, last: int) -> None:
    history, _ = filled(2, 5, 10)
    with pytest.raises(ValueError, match=r"is not within 3\.\.7"):
        history.slice(first, last)
