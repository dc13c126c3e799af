"""The rate limit of a sender."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.core.limits import PRUNE_ABOVE, RateLimit

bursts = st.integers(1, 10)
rates = st.floats(0.1, 50)
pauses = st.lists(st.floats(0, 3), min_size=1, max_size=60)


@given(bursts, rates, pauses)
def test_no_window_holds_more_than_the_burst_and_its_share_of_the_rate(
    burst: int, rate: float, waits: list[float]
) -> None:
    limits, now, accepted = RateLimit(burst, rate), 0.0, []
    for pause in waits:
        now += pause
        if limits.take("a", now) == 0:
            accepted.append(now)
    for first, start in enumerate(accepted):
        for last in range(first, len(accepted)):
            assert last - first + 1 <= burst + rate * (accepted[last] - start) + 1e-6


@given(bursts, rates, pauses)
def test_post_after_the_returned_wait_is_accepted(
    burst: int, rate: float, waits: list[float]
) -> None:
    limits, now = RateLimit(burst, rate), 0.0
    for pause in waits:
        now += pause
        wait = limits.take("a", now)
        if wait:
            now += wait
            assert limits.take("a", now) == 0


@given(bursts, rates)
def test_burst_is_accepted_at_once_and_no_more(burst: int, rate: float) -> None:
    limits = RateLimit(burst, rate)
    assert [limits.take("a", 5.0) for _ in range(burst)] == [0.0] * burst
    assert limits.take("a", 5.0) == pytest.approx(1 / rate)


def test_rejected_post_costs_no_token() -> None:
    limits = RateLimit(1, 1)
    limits.take("a", 0.0)
    for _ in range(10):
        assert limits.take("a", 0.5) == pytest.approx(0.5)
    assert limits.take("a", 1.0) == 0


def test_senders_do_not_share_a_bucket() -> None:
    limits = RateLimit(1, 1)
    assert limits.take("a", 0.0) == 0
    assert limits.take("b", 0.0) == 0
    assert limits.take("a", 0.0) > 0


def test_rate_of_zero_is_no_limit() -> None:
    limits = RateLimit(1, 0)
    assert all(limits.take("a", 0.0) == 0 for _ in range(1000))


def test_buckets_that_are_full_again_are_forgotten() -> None:
    limits = RateLimit(5, 1)
    for number in range(10 * PRUNE_ABOVE):
        limits.take(f"user-{number}", number * 0.01)
    assert len(limits) <= PRUNE_ABOVE


def test_buckets_that_are_full_again_are_not_counted_and_not_kept() -> None:
    limit = RateLimit(burst=2, rate=1)
    limit.take("a", now=0.0)
    limit.take("b", now=0.5)
    assert limit.count_used(now=0.9) == 2
    assert limit.count_used(now=1.2) == 1
    assert limit.count_used(now=2.0) == len(limit) == 0
