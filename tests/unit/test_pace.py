"""When the next wave may start, and what becomes of a viewer that lags."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.core.pace import STALL_SECONDS, Verdict, is_stalled, judge, next_wave_at

seconds = st.floats(0, 1000)


@given(seconds, st.floats(0, 5), st.floats(0, 1))
def test_waves_keep_the_gap_and_do_not_overtake_one_another(
    start: float, length: float, gap: float
) -> None:
    following = next_wave_at(start, length, gap)
    assert following >= start + gap
    assert following >= start + length


def test_idle_room_sends_at_once() -> None:
    assert next_wave_at(10.0, 0.001, 0.04) <= 10.04


def test_viewer_within_the_history_is_served() -> None:
    assert judge(cursor=9, oldest=10) is Verdict.SEND
    assert judge(cursor=500, oldest=10) is Verdict.SEND


def test_viewer_behind_the_history_is_told_that_entries_are_skipped() -> None:
    assert judge(cursor=8, oldest=10) is Verdict.SKIP


def test_viewer_without_progress_is_stalled_after_fifteen_seconds() -> None:
    assert STALL_SECONDS == 15
    assert not is_stalled(100.0, 114.9)
    assert is_stalled(100.0, 115.0)
