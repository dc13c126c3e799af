"""Admission of posts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.core.comment import Comment, Mode, Role, Size
from chat.core.history import History
from chat.core.limits import RateLimit
from chat.core.reject import Rejection
from chat.core.room_state import REF_SECONDS, Author, Duplicate, RoomState
from chat.core.wire import Post


def make_room(burst: int = 5, rate: float = 1.0) -> RoomState:
    return RoomState("demo", "e1", History(), RateLimit(burst, rate))


AUTHOR = Author("g-1", "Owl")


def test_valid_post_becomes_a_comment_without_a_seq() -> None:
    post = Post(" hi\x00 ", "k1", Mode.TOP, "#FF8800", Size.LARGE)
    assert make_room().admit(AUTHOR, post, 0.0, at=17) == Comment(
        seq=0,
        user="g-1",
        name="Owl",
        text="hi",
        at=17,
        mode=Mode.TOP,
        color="#ff8800",
        size=Size.LARGE,
        role=Role.VIEWER,
    )


@pytest.mark.parametrize(
    ("text", "code"), [("", "text_empty"), ("\u200b", "text_empty"), ("a" * 101, "text_too_long")]
)
def test_bad_text_is_rejected_with_code_and_costs_no_token(text: str, code: str) -> None:
    room = make_room(burst=1)
    outcome = room.admit(AUTHOR, Post(text), 0.0, at=0)
    assert isinstance(outcome, Rejection)
    assert outcome.code == code
    assert isinstance(room.admit(AUTHOR, Post("hi"), 0.0, at=0), Comment)


def test_post_too_fast_is_rejected_with_the_time_to_wait() -> None:
    room = make_room(burst=2)
    for _ in range(2):
        assert isinstance(room.admit(AUTHOR, Post("hi"), 0.0, at=0), Comment)
    outcome = room.admit(AUTHOR, Post("hi"), 0.25, at=0)
    assert isinstance(outcome, Rejection)
    assert (outcome.code, outcome.retry_after) == ("too_fast", 0.75)


@given(st.floats(0.1, 50), st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_post_after_retry_after_is_accepted(rate: float, pauses: list[float]) -> None:
    room, now = make_room(burst=2, rate=rate), 1000.0
    for pause in pauses:
        now += pause
        outcome = room.admit(AUTHOR, Post("hi"), now, at=0)
        if isinstance(outcome, Rejection):
            assert outcome.retry_after
            now += outcome.retry_after
            assert isinstance(room.admit(AUTHOR, Post("hi"), now, at=0), Comment)


def test_retry_of_an_accepted_ref_is_known_and_costs_no_token() -> None:
    room = make_room(burst=1)
    assert isinstance(room.admit(AUTHOR, Post("hi", "k1"), 0.0, at=0), Comment)
    room.remember("g-1", "k1", 7, 0.0)
    assert room.admit(AUTHOR, Post("hi", "k1"), 0.0, at=0) == Duplicate(7)
    assert room.admit(AUTHOR, Post("", "k1"), 0.0, at=0) == Duplicate(7)


def test_ref_is_its_senders_own() -> None:
    room = make_room()
    room.remember("g-1", "k1", 7, 0.0)
    assert isinstance(room.admit(Author("g-2", "Fox"), Post("hi", "k1"), 0.0, at=0), Comment)


def test_ref_is_forgotten_here_after_a_while() -> None:
    room = make_room()
    room.remember("g-1", "k1", 7, 0.0)
    room.remember("g-1", "k2", 8, REF_SECONDS + 1)
    assert isinstance(room.admit(AUTHOR, Post("hi", "k1"), REF_SECONDS + 1, at=0), Comment)
    assert room.admit(AUTHOR, Post("hi", "k2"), REF_SECONDS + 1, at=0) == Duplicate(8)
