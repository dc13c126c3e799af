"""What the viewers of one process write down.

Counts, latencies, and each room's numbering as they saw it. A room's numbering (its epoch) is kept
once for all viewers of the process: which comment had which seq must be the same for everybody, and
a batch that came once is recognised by its bytes when it comes again.
"""

from __future__ import annotations

from chat.loadtest.continuity import Tally
from chat.loadtest.measurement import Histogram, Timeline
from chat.loadtest.messages import Batch

LIKE_BATCHES_LIMIT = 8  # different batches with one and the same first seq that are remembered
Memo = dict[int, list[Batch]]


class Numbering:
    """One epoch of one room."""

    def __init__(self) -> None:
        # By first seq: what a viewer expects next leads to what it will most likely read.
        self.memo: Memo = {}
        self.journal: dict[int, int] = {}  # seq -> number of this run's post
        self.left_out: list[tuple[int, int]] = []  # ranges that were thinned or skipped
        self.contradictions = 0
        self.head = 0
        self.retired: list[Batch] = []

    def remember(self, batch: Batch) -> Batch:
        """The batch of the same bytes if there is one, so that receipts come together.

        Else this one.
        """
        alike = self.memo.setdefault(batch.first, [])
        for known in alike:
            if known.data == batch.data:
                return known
        if len(alike) >= LIKE_BATCHES_LIMIT:
            self.retired.append(alike.pop(0))
        alike.append(batch)
        self.enter(batch)
        return batch

    def enter(self, batch: Batch) -> None:
        """Hold the batch's comments against what other viewers saw under the same numbers."""
        self.head = max(self.head, batch.last)
        for seq, number, _ in batch.posts:
            if self.journal.setdefault(seq, number) != number:
                self.contradictions += 1
        if batch.thinned:
            self.left_out.append((batch.first, batch.last))

    def take_receipts(self) -> list[Batch]:
        """The batches with new receipts; those that had none since the last call are forgotten."""
        fresh, self.retired = self.retired, []
        for first, alike in list(self.memo.items()):
            used = [batch for batch in alike if batch.receipts]
            fresh += used
            if used:
                self.memo[first] = used
            else:
                del self.memo[first]
        return [batch for batch in fresh if batch.receipts]


class Room:
    """One room, as the viewers of this process see it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.numberings: dict[str, Numbering] = {}

    def numbering(self, epoch: str) -> Numbering:
        """Return the numbering of an epoch."""
        return self.numberings.setdefault(epoch, Numbering())


class Ledger:
    """Everything that one process measures."""

    def __init__(self, seconds: float) -> None:
        self.tally = Tally()
        self.timeline = Timeline(seconds)
        self.connects = Histogram()
        self.reconnects = Histogram()
        self.acks = Histogram()
        self.accepted: list[tuple[str, str, int, int, int]] = []  # room, epoch, seq, post, poster
        self.posts: dict[int, tuple[int, int]] = {}  # unanswered: post -> due, poster
        self.rooms: dict[str, Room] = {}
        self.greatest_lateness = 0  # ns between due and sent
        self.joins: list[int] = []  # ns, when each viewer was in

    def room(self, name: str) -> Room:
        """Return the room of a name."""
        return self.rooms.setdefault(name, Room(name))

    def note_post(self, number: int, due: int, poster: int, now: int) -> None:
        """A comment was sent."""
        self.posts[number] = (due, poster)
        self.tally.sent += 1
        self.greatest_lateness = max(self.greatest_lateness, now - due)
        self.timeline.find_tick(now).sent += 1

    def note_ack(self, room: Room, number: int, epoch: str, seq: int, dup: bool, now: int) -> None:
        """A comment was accepted under `seq`."""
        post = self.posts.pop(number, None)
        if post is None:
            self.tally.violations["an answer to no post"] += 1
            return
        self.tally.acked += 1
        self.tally.deduplicated += dup
        self.acks.record(now - post[0])
        self.accepted.append((room.name, epoch, seq, number, post[1]))
        numbering = room.numbering(epoch)
        numbering.head = max(numbering.head, seq)

    def note_rejection(self, number: int | None, code: str) -> None:
        """A comment was not accepted; None when the answer names none of ours."""
        if number is None or self.posts.pop(number, None) is None:
            self.tally.violations[f"rejected what was no post: {code}"] += 1
        else:
            self.tally.rejected[code] += 1

    def give_up(self, numbers: set[int]) -> None:
        """The tester itself dropped the connection on which these posts were to be answered."""
        for number in numbers:
            self.tally.answer_lost += self.posts.pop(number, None) is not None

    def count(self, batch: Batch, receipts: int) -> None:
        """Add what `receipts` viewers got with a batch."""
        tally = self.tally
        tally.delivered += batch.count * receipts
        tally.thinned += batch.thinned * receipts
        tally.lost += batch.missing * receipts
        tally.out_of_order += batch.disorder * receipts

    def fold(self) -> None:
        """Bring the receipts noted since the last call into the figures."""
        for room in self.rooms.values():
            for numbering in room.numberings.values():
                for batch in numbering.take_receipts():
                    receipts = batch.receipts
                    self.count(batch, len(receipts))
                    self.tally.received_bytes += len(batch.data) * len(receipts)
                    self.timeline.record(receipts, batch.dues, batch.count, len(batch.data))
                    receipts.clear()
