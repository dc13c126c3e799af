"""Latencies of all deliveries to all viewers, and counters; all can be added.

A read notes one clock value with the batch it brought (`Batch.receipts`). A few times a second
these are aggregated: receipts are grouped into slots of time, and every slot is compared with every
due time of the batch. A wave of thousands of receipts is some hundred slots, so this costs little;
slots are made just wide enough for that, never wider than a millisecond, and are 16 µs for small
batches. Latencies are counted in buckets that grow by less than 1 % (the layout of Gil Tene's
HdrHistogram: seven bits of mantissa for each power of two), so histograms of processes add up. The
maximum is exact.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Self

from msgspec import Struct, field

MANTISSA_BITS = 7
FINEST_SLOT, COARSEST_SLOT = 14, 20  # bits of nanoseconds: 16 µs, 1.05 ms
PAIRS_LIMIT = 256  # of slot and due time compared for one batch, slots permitting
TICKS_LIMIT = 150
LEAST_TICK = 250_000_000  # ns


class Sums(Struct):
    """Figures of one process or one stretch of time; `a + b` adds them field by field."""

    def __add__(self, other: Self) -> Self:
        names = self.__struct_fields__
        return type(self)(*(getattr(self, name) + getattr(other, name) for name in names))


class Counters(Sums):
    """The counters of a test; a report contains all of them."""

    connected: int = 0
    reconnected: int = 0
    left: int = 0  # viewers that were connected and closed, and did not reconnect
    present: int = 0  # viewers that were connected at the end
    slow_closed: int = 0
    compressed: int = 0
    failed: Counter[str] = field(default_factory=Counter)  # connections, by reason
    closed: Counter[str] = field(default_factory=Counter)  # by code or reason
    unrecovered: Counter[str] = field(default_factory=Counter)  # resumes refused, by reason
    sent: int = 0
    acked: int = 0
    deduplicated: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by code
    unsent: int = 0  # posts that no viewer was there to send
    unanswered: int = 0
    answer_lost: int = 0  # posts whose connection the tester itself dropped before the answer
    expected: int = 0
    delivered: int = 0  # entries times viewers
    resumed: int = 0  # of those, the ones that came with a resume instead of a batch
    lost: int = 0
    out_of_order: int = 0
    duplicated: int = 0
    thinned: int = 0
    skipped: int = 0
    received_bytes: int = 0
    samples: int = 0  # viewers that check every entry
    checked: int = 0  # entries that these checked
    contradictions: int = 0
    violations: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        """Posts that were answered or given up."""
        return self.acked + self.rejected.total() + self.answer_lost


def find_bucket(latency: int) -> int:
    """Return the bucket of a latency in ns."""
    shift = max(0, latency.bit_length() - MANTISSA_BITS - 1)
    return (shift << MANTISSA_BITS) + (latency >> shift)


def bucket_end(bucket: int) -> int:
    """Return the latency, in ns, that is just too great for the bucket."""
    shift = max(0, (bucket >> MANTISSA_BITS) - 1)
    return (bucket - (shift << MANTISSA_BITS) + 1) << shift


class Histogram(Struct):
    """Latencies, in ns."""

    counts: Counter[int] = field(default_factory=Counter)  # bucket -> occurrences
    greatest: int = 0

    def __add__(self, other: Histogram) -> Histogram:
        return Histogram(self.counts + other.counts, max(self.greatest, other.greatest))

    def record(self, latency: int) -> None:
        self.counts[find_bucket(latency)] += 1
        if latency > self.greatest:
            self.greatest = latency

    def record_batch(self, receipts: list[int], dues: list[int]) -> None:
        """Count the latency of every due time at every receipt (both CLOCK_MONOTONIC, ns)."""
        first, last = min(receipts), max(receipts)
        width = FINEST_SLOT
        while ((last - first) >> width) * len(dues) > PAIRS_LIMIT and width < COARSEST_SLOT:
            width += 1
        half = 1 << (width - 1)
        slots = Counter([(receipt - first) >> width for receipt in receipts])
        # The middle of a slot, but not earlier or later than all receipts.
        times = [(min(first + (slot << width) + half, last), n) for slot, n in slots.items()]
        counts, get = self.counts, self.counts.get
        for due in dues:
            for time, number in times:
                bucket = find_bucket(time - due)
                counts[bucket] = get(bucket, 0) + number
        self.greatest = max(self.greatest, last - min(dues))

    def percentile(self, share: float) -> float:
        """Return the latency, in ns, below which `share` of all lie; 0 when there are none."""
        rank = math.ceil(share * self.counts.total())
        for bucket in sorted(self.counts):
            rank -= self.counts[bucket]
            if rank <= 0:
                return bucket_end(bucket)
        return 0.0


class TickSums(Sums):
    """The figures of one interval."""

    latency: Histogram = field(default_factory=Histogram)
    delivered: int = 0
    received_bytes: int = 0
    sent: int = 0


class Timeline:
    """The ticks from the start of posting to the end of settling."""

    def __init__(self, seconds: float) -> None:
        self.length = max(LEAST_TICK, math.ceil(seconds * 1e9 / TICKS_LIMIT))  # of a tick, ns
        self.ticks = [TickSums() for _ in range(math.ceil(seconds * 1e9 / self.length) + 1)]
        self.start = 0  # ns; set when posting starts

    def __add__(self, other: Timeline) -> Timeline:
        total = Timeline(0)
        total.length = self.length
        total.ticks = [mine + theirs for mine, theirs in zip(self.ticks, other.ticks, strict=True)]
        return total

    def find_tick(self, when: int) -> TickSums:
        """Return the tick of a moment; the first or last for what lies before or after all."""
        index = (when - self.start) // self.length
        return self.ticks[min(max(0, index), len(self.ticks) - 1)]

    def record(self, receipts: list[int], dues: list[int], entries: int, size: int) -> None:
        """Record a batch of `entries` entries in `size` bytes, received at `receipts` (ns)."""
        tick = self.find_tick(receipts[len(receipts) // 2])
        tick.delivered += entries * len(receipts)
        tick.received_bytes += size * len(receipts)
        if dues:
            tick.latency.record_batch(receipts, dues)

    def total(self) -> Histogram:
        """Return the latencies of all ticks together."""
        return sum((tick.latency for tick in self.ticks), Histogram())

    def recent(self, now: int, seconds: float) -> Histogram:
        """Return the latencies counted in about the last `seconds`."""
        moments = range(now - round(seconds * 1e9), now + 1, self.length)
        ticks = {id(tick): tick for tick in map(self.find_tick, moments)}
        return sum((tick.latency for tick in ticks.values()), Histogram())
