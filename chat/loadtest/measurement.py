"""Latencies of all deliveries to all viewers, at the price of one list append each.

A read notes one clock value with the batch it brought (`Batch.receipts`). A few times a second
these are folded: receipts are grouped into slots of time, and every slot is compared with every due
time of the batch. A wave of thousands of receipts is some hundred slots, so folding costs little;
slots are made just wide enough for that, never wider than a millisecond, and are 16 µs for small
batches. The latencies are counted in buckets that grow by less than 1 % (the layout of HdrHistogram
by Gil Tene: seven bits of mantissa for each power of two), so histograms of processes simply add
up. The maximum is exact. Pure Python: numpy would save a tenth of this and cost a dependency.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

MANTISSA_BITS = 7
FINEST_SLOT, COARSEST_SLOT = 14, 20  # bits of nanoseconds: 16 µs, 1.05 ms
PAIRS_LIMIT = 256  # of slot and due time compared for one batch, slots permitting
TICKS_LIMIT = 150
LEAST_TICK = 250_000_000  # ns

Counts = Counter[int]  # bucket -> occurrences


def find_bucket(latency: int) -> int:
    """Return the bucket of a latency in ns."""
    shift = max(0, latency.bit_length() - MANTISSA_BITS - 1)
    return (shift << MANTISSA_BITS) + (latency >> shift)


def bucket_end(bucket: int) -> int:
    """Return the latency, in ns, that is just too great for the bucket."""
    shift = max(0, (bucket >> MANTISSA_BITS) - 1)
    return (bucket - (shift << MANTISSA_BITS) + 1) << shift


def find_percentile(counts: Counts, share: float) -> float:
    """Return the latency, in ns, below which `share` of all lie; 0 when nothing was counted."""
    rank = math.ceil(share * counts.total())
    for bucket in sorted(counts):
        rank -= counts[bucket]
        if rank <= 0:
            return bucket_end(bucket)
    return 0.0


class Histogram:
    """Latencies, in ns."""

    __slots__ = ("counts", "greatest")

    def __init__(self) -> None:
        self.counts: Counts = Counter()
        self.greatest = 0

    def record(self, latency: int) -> None:
        """Count one latency."""
        self.counts[find_bucket(latency)] += 1
        if latency > self.greatest:
            self.greatest = latency

    def add(self, other: Histogram) -> None:
        """Take in what another one counted."""
        self.counts.update(other.counts)
        self.greatest = max(self.greatest, other.greatest)

    def record_batch(self, receipts: Sequence[int], dues: Sequence[int]) -> None:
        """Count the latency of every due time at every receipt (both CLOCK_MONOTONIC, ns)."""
        first, last = min(receipts), max(receipts)
        width = FINEST_SLOT
        while ((last - first) >> width) * len(dues) > PAIRS_LIMIT and width < COARSEST_SLOT:
            width += 1
        half = 1 << (width - 1)
        slots = Counter([(receipt - first) >> width for receipt in receipts])
        # A slot stands for its middle, but never for a moment before or after all receipts.
        times = [(min(first + (slot << width) + half, last), n) for slot, n in slots.items()]
        counts, get = self.counts, self.counts.get
        for due in dues:
            for time, number in times:
                bucket = find_bucket(time - due)
                counts[bucket] = get(bucket, 0) + number
        self.greatest = max(self.greatest, last - min(dues))


class Tick:
    """What happened in one stretch of time."""

    __slots__ = ("delivered", "latency", "received_bytes", "sent")

    def __init__(self) -> None:
        self.latency = Histogram()
        self.delivered = 0
        self.received_bytes = 0
        self.sent = 0

    def add(self, other: Tick) -> None:
        """Take in what another process saw in the same stretch."""
        self.latency.add(other.latency)
        self.delivered += other.delivered
        self.received_bytes += other.received_bytes
        self.sent += other.sent


class Timeline:
    """A row of ticks from the start of posting to the end of settling."""

    def __init__(self, seconds: float) -> None:
        self.length = max(LEAST_TICK, math.ceil(seconds * 1e9 / TICKS_LIMIT))  # of a tick, ns
        self.ticks = [Tick() for _ in range(math.ceil(seconds * 1e9 / self.length) + 1)]
        self.start = 0  # ns; set when posting starts

    def find_tick(self, when: int) -> Tick:
        """Return the tick of a moment; what is before or after all of them is in the outermost."""
        index = (when - self.start) // self.length
        return self.ticks[min(max(0, index), len(self.ticks) - 1)]

    def record(self, receipts: Sequence[int], dues: Sequence[int], entries: int, size: int) -> None:
        """Note a batch of `entries` entries in `size` bytes, received at `receipts`, all ns."""
        tick = self.find_tick(receipts[len(receipts) // 2])
        tick.delivered += entries * len(receipts)
        tick.received_bytes += size * len(receipts)
        if dues:
            tick.latency.record_batch(receipts, dues)

    def add(self, other: Timeline) -> None:
        """Take in another process's timeline of the same length."""
        for mine, theirs in zip(self.ticks, other.ticks, strict=True):
            mine.add(theirs)

    def total(self) -> Histogram:
        """Return the latencies of all ticks together."""
        return add_up([tick.latency for tick in self.ticks])

    def recent(self, now: int, seconds: float) -> Histogram:
        """Return the latencies counted in about the last `seconds`."""
        ticks = range(now - round(seconds * 1e9), now + 1, self.length)
        return add_up({id(tick): tick.latency for tick in map(self.find_tick, ticks)}.values())


def add_up(histograms: Iterable[Histogram]) -> Histogram:
    """Return one histogram with the counts of all."""
    total = Histogram()
    for histogram in histograms:
        total.add(histogram)
    return total
