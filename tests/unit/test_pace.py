"""When the next wave may start, and when a slow viewer is closed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.core.pace import (
    BUSY_COMMENTS,
    BUSY_SPACING_LIMIT,
    STALL_SECONDS,
    is_stalled,
    next_wave_at,
)

seconds = st.floats(0, 1000)


@given(seconds, st.floats(0, 5), st.floats(0, 1), st.integers(1, 1000))
def test_waves_keep_the_gap_and_do_not_overtake_one_another(
    start: float, length: float, gap: float, waiting: int
) -> None:
    following = next_wave_at(start, length, gap, waiting)
    assert following >= start + gap
    assert following >= start + length


def test_idle_room_sends_at_once() -> None:
    assert next_wave_at(10.0, 0.001, 0.04, waiting=1) <= 10.04


def test_few_comments_wait_for_no_more_than_the_gap() -> None:
    assert next_wave_at(10.0, 0.06, 0.08, waiting=BUSY_COMMENTS - 1) == 10.08


def test_long_waves_take_at_most_their_share_of_the_time() -> None:
    assert next_wave_at(10.0, 0.05, 0.08, waiting=BUSY_COMMENTS) == pytest.approx(10.125)
    assert next_wave_at(10.0, 0.01, 0.08, waiting=BUSY_COMMENTS) == 10.08


@given(st.floats(0, 5), st.integers(1, 1000))
def test_gap_between_waves_is_bounded(length: float, waiting: int) -> None:
    assert next_wave_at(0.0, length, 0.08, waiting) <= max(length, BUSY_SPACING_LIMIT)


def test_viewer_without_progress_is_stalled_after_fifteen_seconds() -> None:
    assert STALL_SECONDS == 15
    assert not is_stalled(100.0, 114.9)
    assert is_stalled(100.0, 115.0)
