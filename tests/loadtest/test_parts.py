"""The pure parts: latencies, the schedule, and the check of sequences."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.loadtest import Options
from chat.loadtest.measurement import Counters, Histogram, bucket_end, find_bucket
from chat.loadtest.messages import Entry, Message, read_batch
from chat.loadtest.schedule import TEXT_LENGTH, read_text, schedule_posts, write_text
from chat.loadtest.sequence_check import SequenceTracker

URL = "ws://127.0.0.1:8888/ws/demo"


@given(st.integers(0, 10**12))
def test_bucket_holds_its_latency_within_one_percent(latency: int) -> None:
    end = bucket_end(find_bucket(latency))
    assert latency < end <= latency * 1.01 + 1


@given(st.lists(st.integers(0, 10**11), min_size=1, max_size=50), st.data())
def test_batch_counts_every_due_time_at_every_receipt(dues: list[int], data: st.DataObject) -> None:
    begin = max(dues) + 1
    receipts = data.draw(st.lists(st.integers(begin, begin + 10**9), min_size=1, max_size=50))
    exact = sorted(receipt - due for receipt in receipts for due in dues)
    histogram = Histogram()
    histogram.record_batch(receipts, dues)
    assert histogram.counts.total() == len(exact)
    assert histogram.greatest == exact[-1]
    middle = exact[(len(exact) + 1) // 2 - 1]
    # Half a slot and one bucket: what the module promises.
    assert abs(histogram.percentile(0.5) - middle) <= 2**20 + middle * 0.01 + 1


@given(st.integers(0, 10**7), st.integers(0, 2**63 - 1))
def test_comment_carries_its_number_and_due_time_within_the_limits(number: int, due: int) -> None:
    text = write_text("0a1b2c3d", number, due)
    assert read_text(text, "0a1b2c3d") == (number, due)
    assert len(text) <= TEXT_LENGTH
    assert text == text.strip()


@pytest.mark.parametrize("text", ["hello", "load x 1 2", "load r one two three", "load r", ""])
def test_comments_of_others_are_not_counted_as_posts_of_the_run(text: str) -> None:
    assert read_text(text, "r") is None


def test_schedule_is_even_and_the_burst_a_hundred_times_as_dense() -> None:
    steady = schedule_posts(Options(URL, rate=50, duration=10))
    assert len(steady) == 500
    assert {later - earlier for earlier, later in pairwise(steady)} == {20_000_000}
    burst = schedule_posts(Options(URL, rate=50, duration=10, profile="burst"))
    middle = [due for due in burst if 4.5e9 <= due < 5.5e9]
    assert len(middle) == 5000
    assert len(burst) == 450 + 5000
    assert burst == sorted(burst)


def test_batch_is_checked_entry_by_entry() -> None:
    def read(seqs: list[int], thinned: int = 0) -> tuple[int, int, int]:
        entries = [Entry("comment", seq, "hi") for seq in seqs]
        batch = read_batch(b"", 1, 4, Message(entries=entries, thinned=thinned), "r")
        return batch.count, batch.missing, batch.disorder

    assert read([1, 2, 3, 4]) == (4, 0, 0)
    assert read([1, 2, 4], thinned=1) == (3, 0, 0)
    assert read([1, 2, 4]) == (3, 1, 0)
    assert read([1, 3, 2, 4]) == (4, 0, 1)
    assert read([1, 1, 2, 3]) == (3, 1, 1)
    assert read([1, 2, 3, 9]) == (3, 1, 1)


ranges = st.lists(st.integers(1, 5), min_size=1, max_size=12).map(
    lambda sizes: [(sum(sizes[:i]) + 1, sum(sizes[: i + 1])) for i in range(len(sizes))]
)


@given(ranges, st.data())
def test_every_entry_is_delivered_skipped_or_lost(
    parts: list[tuple[int, int]], data: st.DataObject
) -> None:
    counters = Counters()
    tracker = SequenceTracker(counters)
    tracker.join("e", 0)
    delivered = left_out = 0
    for first, last in parts:
        match data.draw(st.sampled_from(["batch", "skip", "nothing"])):
            case "batch":
                assert tracker.advance(first, last)
                delivered += last - first + 1
            case "skip":
                tracker.skip(first, last)
            case _:
                left_out += last - first + 1
    tracker.finish(parts[-1][1], forgiven=False)
    assert counters.lost == left_out
    assert counters.expected == delivered + counters.skipped + counters.lost
    assert counters.out_of_order == counters.duplicated == 0


@given(ranges, st.randoms(use_true_random=False))
def test_any_order_of_arrival_loses_nothing_and_is_noticed(
    parts: list[tuple[int, int]], random: object
) -> None:
    counters = Counters()
    tracker = SequenceTracker(counters)
    tracker.join("e", 0)
    shuffled = sorted(parts, key=lambda _: random.random())  # type: ignore[attr-defined]
    for first, last in shuffled:
        assert tracker.advance(first, last)
    tracker.finish(parts[-1][1], forgiven=False)
    assert counters.lost == counters.duplicated == 0
    assert (counters.out_of_order > 0) == (shuffled != parts)
