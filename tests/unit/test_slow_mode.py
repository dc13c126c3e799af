"""Slow mode: the wait between two comments of one sender."""

from __future__ import annotations

from chat.core.comment import Comment, Role
from chat.core.history import History
from chat.core.limits import RateLimit, SlowMode
from chat.core.reject import Rejection
from chat.core.room_settings import RoomSettings
from chat.core.room_state import REF_SECONDS, Author, Duplicate, RoomState
from chat.core.wire import Post

OWL, FOX = Author("g-1", "Owl"), Author("g-2", "Fox")


def make_room(slow_mode: int, rate: float = 0) -> RoomState:
    return RoomState("demo", "e1", History(), RateLimit(1, rate), RoomSettings(slow_mode=slow_mode))


def post(
    room: RoomState, now: float, author: Author = OWL, ref: str | None = None, text: str = "hi"
):
    return room.admit(author, Post(text, ref), now, at=0)


def wait_of(outcome: object) -> float | None:
    assert isinstance(outcome, Rejection), outcome
    assert (outcome.code, outcome.status) == ("slow_mode", 429)
    return outcome.retry_after


def test_second_comment_of_a_viewer_has_to_wait_and_others_do_not() -> None:
    room = make_room(10)
    assert isinstance(post(room, 100.0), Comment)
    assert wait_of(post(room, 103.5)) == 6.5
    assert isinstance(post(room, 103.5, FOX), Comment)
    assert isinstance(post(room, 110.0), Comment)
    assert wait_of(post(room, 110.0)) == 10


def test_being_rejected_neither_prolongs_the_wait_nor_costs_a_token() -> None:
    room = make_room(10, rate=0.1)
    post(room, 0.0)
    for now in range(1, 10):
        assert wait_of(post(room, now)) == 10 - now
    assert isinstance(post(room, 10.0), Comment)


def test_comment_that_is_refused_for_another_reason_starts_no_wait() -> None:
    room = make_room(10)
    assert isinstance(post(room, 0.0, text=""), Rejection)
    assert isinstance(post(room, 0.0), Comment)


def test_longer_and_shorter_waits_apply_at_once() -> None:
    room = make_room(10)
    post(room, 0.0)
    room.settings = RoomSettings(slow_mode=60)
    assert wait_of(post(room, 20.0)) == 40
    room.settings = RoomSettings(slow_mode=5)
    assert isinstance(post(room, 20.0), Comment)
    room.settings = RoomSettings()
    assert isinstance(post(room, 20.0), Comment)
    room.settings = RoomSettings(slow_mode=5)
    assert isinstance(post(room, 20.0), Comment)  # nothing was recorded while it was off
    assert wait_of(post(room, 20.0)) == 5


def test_hosts_and_moderators_do_not_wait() -> None:
    room = make_room(10)
    for role in (Role.MODERATOR, Role.HOST):
        author = Author(f"u-{role}", "Anna", role)
        assert isinstance(post(room, 0.0, author), Comment)
        assert isinstance(post(room, 0.0, author), Comment)


def test_sender_without_a_session_is_limited_by_address() -> None:
    room = make_room(10)
    assert isinstance(post(room, 0.0, Author("g-3", "A", rate_limit_key="address 1")), Comment)
    assert wait_of(post(room, 0.0, Author("g-4", "B", rate_limit_key="address 1"))) == 10


def test_retry_of_an_accepted_ref_is_known_and_does_not_wait() -> None:
    room = make_room(3600)
    post(room, 0.0, ref="k1")
    room.remember("g-1", "k1", 7, 0.0)
    assert post(room, 1.0, ref="k1") == Duplicate(7)


def test_retry_passes_while_its_comment_is_on_its_way_and_after_the_ref_was_forgotten() -> None:
    # Whether it was kept, the journal knows: it is asked again, and answers with the first place.
    room = make_room(3600)
    post(room, 0.0, ref="k1")
    assert isinstance(post(room, 0.1, ref="k1"), Comment)
    room.remember("g-1", "k1", 7, 0.2)
    room.remember("g-2", "k9", 8, REF_SECONDS + 1)
    assert isinstance(post(room, REF_SECONDS + 1, ref="k1"), Comment)
    assert wait_of(post(room, REF_SECONDS + 1, ref="k2")) == 3600 - REF_SECONDS - 1


def test_only_senders_in_their_wait_are_recorded_up_to_the_limit() -> None:
    slow_mode = SlowMode(limit=20)
    slow_mode.record("nobody waits", None, 0.0)
    assert len(slow_mode) == 0
    slow_mode.seconds = 10
    for number in range(1000):
        slow_mode.record(f"user-{number}", None, float(number))
    assert len(slow_mode) == 10
    for number in range(100):
        slow_mode.record(f"sender-{number}", None, 1000.0)
    assert len(slow_mode) == 20
    assert slow_mode.wait("sender-99", None, 1001.0) == 9
    assert slow_mode.wait("sender-0", None, 1001.0) == 0  # the earliest are forgotten first
    slow_mode.seconds = 0
    assert len(slow_mode) == 0
