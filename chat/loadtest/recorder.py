"""Records what the viewers of one process received: counts, latencies, and each room's entries.

A seq of an epoch must mean the same comment to every viewer, so what was seen under it is kept once
for all viewers of the process, and so are the batches, which are recognised by their bytes.
"""

from __future__ import annotations

from time import monotonic_ns

from chat.loadtest.ipc import Epoch, Heads, Outcome
from chat.loadtest.measurement import Counters, Timeline
from chat.loadtest.messages import Batch, Message

VARIANTS_LIMIT = 8  # different batches with one and the same first seq that are remembered
BatchCache = dict[int, list[Batch]]  # by first seq: what a viewer expects next


class EpochRecord:
    """One epoch of one room."""

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self.batch_cache: BatchCache = {}
        self.posts: dict[int, int] = {}  # seq -> number of this run's post
        self.left_out: list[tuple[int, int]] = []  # ranges that were thinned or skipped
        self.head = 0  # the highest seq known to this process
        self.evicted: list[Batch] = []

    def cache(self, batch: Batch) -> Batch:
        """Return the cached batch of the same bytes, so that receipts come together.

        Caches this one where there is none.
        """
        variants = self.batch_cache.setdefault(batch.first, [])
        for known in variants:
            if known.data == batch.data:
                return known
        if len(variants) >= VARIANTS_LIMIT:
            self.evicted.append(variants.pop(0))
        variants.append(batch)
        self.check(batch)
        return batch

    def check(self, batch: Batch) -> None:
        """Compare the batch's comments with what other viewers saw under the same seqs."""
        self.head = max(self.head, batch.last)
        for seq, number, _ in batch.posts:
            self.counters.contradictions += self.posts.setdefault(seq, number) != number
        if batch.thinned:
            self.left_out.append((batch.first, batch.last))

    def received_batches(self) -> list[Batch]:
        """Return the batches with new receipts, and drop those without from the cache."""
        received, self.evicted = self.evicted, []
        for first, variants in list(self.batch_cache.items()):
            used = [batch for batch in variants if batch.receipts]
            received += used
            if used:
                self.batch_cache[first] = used
            else:
                del self.batch_cache[first]
        return [batch for batch in received if batch.receipts]


class Recorder:
    """Everything that one process measures; most of it is its `outcome`, as it grows."""

    def __init__(self, seconds: float) -> None:
        self.outcome = Outcome(Counters(), Timeline(seconds))
        self.counters = self.outcome.counters
        self.timeline = self.outcome.timeline
        self.posts: dict[int, tuple[int, int]] = {}  # unanswered: post -> due, poster
        self.epochs: dict[Epoch, EpochRecord] = {}
        self.joins: list[int] = []  # ns, when each viewer was connected

    def epoch(self, room: str, name: str) -> EpochRecord:
        """Return the record of an epoch, a new one if necessary."""
        if (room, name) not in self.epochs:
            self.epochs[room, name] = EpochRecord(self.counters)
        return self.epochs[room, name]

    def heads(self) -> Heads:
        return {key: record.head for key, record in self.epochs.items()}

    def record_post(self, number: int, due: int, poster: int) -> None:
        now = monotonic_ns()
        self.posts[number] = (due, poster)
        self.counters.sent += 1
        self.outcome.lateness.record(max(0, now - due))
        self.timeline.find_tick(now).sent += 1

    def record_ack(self, room: str, number: int, ack: Message) -> None:
        if number not in self.posts:
            self.counters.violations["an answer to no post"] += 1
            return
        due, poster = self.posts.pop(number)
        self.counters.acked += 1
        self.counters.deduplicated += ack.dup
        self.outcome.acks.record(monotonic_ns() - due)
        self.outcome.accepted.append((number, room, ack.epoch, ack.seq, poster))
        record = self.epoch(room, ack.epoch)
        record.head = max(record.head, ack.seq)

    def record_rejection(self, number: int | None, code: str) -> None:
        """Record that a comment was rejected; `number` is None for one that is not ours."""
        if number is None or self.posts.pop(number, None) is None:
            self.counters.violations[f"rejected what was no post: {code}"] += 1
        else:
            self.counters.rejected[code] += 1

    def give_up(self, numbers: set[int]) -> None:
        """The tester itself dropped the connection on which these posts were to be answered."""
        for number in numbers:
            self.counters.answer_lost += self.posts.pop(number, None) is not None

    def count(self, batch: Batch, receipts: int) -> None:
        """Count what `receipts` viewers got with a batch."""
        counters = self.counters
        counters.delivered += batch.count * receipts
        counters.thinned += batch.thinned * receipts
        counters.lost += batch.missing * receipts
        counters.out_of_order += batch.disorder * receipts

    def aggregate(self) -> None:
        """Move the receipts noted since the last call into the figures."""
        for record in self.epochs.values():
            for batch in record.received_batches():
                receipts, size = batch.receipts, len(batch.data)
                self.count(batch, len(receipts))
                self.counters.received_bytes += size * len(receipts)
                dues = [due for _, _, due in batch.posts]
                self.timeline.record(receipts, dues, batch.count, size)
                receipts.clear()
