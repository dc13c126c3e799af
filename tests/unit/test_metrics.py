"""What a request for the metrics costs when there is much to count."""

from __future__ import annotations

import time

import pytest

from chat.metrics import SHARED_ABOVE_SECONDS, Metrics


@pytest.mark.parametrize(("seconds", "is_shared"), [(2 * SHARED_ABOVE_SECONDS, True), (0, False)])
def test_metrics_that_take_long_to_count_are_not_counted_for_each_request(
    seconds: float, is_shared: bool
) -> None:
    counted = 0

    def count() -> float:
        nonlocal counted
        counted += 1
        ends = time.thread_time() + seconds
        while time.thread_time() < ends:
            pass
        return counted

    metrics = Metrics()
    metrics.watch("danmaku_rooms", "Open rooms", count)
    answers = {metrics.render() for _ in range(3)}
    assert (len(answers) == 1) is is_shared
    before = counted
    while counted == before:  # it does not stay as it is
        metrics.render()
