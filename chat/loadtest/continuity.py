"""Does every viewer get every entry, in order? Pure: ranges in, counts out.

A viewer's place in its room's numbering is one integer. Ranges must follow each other; what is left
out must be covered by `thinned` or `skip`. A hole is remembered: filled later it was out of order,
never filled it is lost.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields

HOLES_LIMIT = 1000  # per viewer; what falls off the list is already counted as lost


@dataclass(slots=True)
class Tally:
    """What happened in numbers. Tallies of processes add up."""

    delivered: int = 0  # entries times viewers
    resumed: int = 0  # of those, the ones that came with a resume instead of a batch
    expected: int = 0
    lost: int = 0
    out_of_order: int = 0
    duplicated: int = 0
    thinned: int = 0
    skipped: int = 0
    received_bytes: int = 0
    checked: int = 0  # entries checked one by one in the sample
    sent: int = 0
    acked: int = 0
    deduplicated: int = 0
    answer_lost: int = (
        0  # posts whose answer was on its way when the tester itself dropped the connection
    )
    unsent: int = 0  # posts that no viewer was there to send
    opened: int = 0
    reopened: int = 0
    compressed: int = 0
    slow_closed: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    closed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(
        default_factory=Counter
    )  # connections that did not open, by reason
    unrecovered: Counter[str] = field(
        default_factory=Counter
    )  # resumes that were refused, by reason
    violations: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Take in the tally of another process."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))

    @property
    def answered(self) -> int:
        """Posts that were accepted or rejected."""
        return self.acked + self.rejected.total()


class Track:
    """One viewer's way through its room's numbering."""

    __slots__ = ("epoch", "holes", "joined", "seq", "tally")

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.epoch = ""
        self.seq = 0
        self.joined = -1  # where the viewer came in; -1: not yet
        self.holes: list[tuple[int, int]] = []

    @property
    def cursor(self) -> str:
        """What the viewer hands back to resume."""
        return f"{self.epoch}:{self.seq}"

    def join(self, epoch: str, seq: int) -> None:
        """Start behind `seq`.

        A second call means a new start: what was promised until then counts as expected.
        """
        if self.joined >= 0:
            self.tally.expected += self.seq - self.joined
        self.epoch, self.seq, self.joined = epoch, seq, seq

    def advance(self, first: int, last: int) -> bool:
        """Take the range `first..last`.

        False when it brings nothing new, so that nothing of it is a delivery.
        """
        if first > last:
            return False
        if first == self.seq + 1:
            self.seq = last
            return True
        if first > self.seq:
            self.open_hole(self.seq + 1, first - 1)
            self.seq = last
            return True
        return self.take_late(first, last)

    def open_hole(self, first: int, last: int) -> None:
        """Remember that `first..last` did not come; lost, until it does."""
        self.tally.lost += last - first + 1
        if len(self.holes) < HOLES_LIMIT:
            self.holes.append((first, last))

    def take_late(self, first: int, last: int) -> bool:
        """Take a range from before the viewer's place: it fills a hole, or was there already."""
        for index, (begin, end) in enumerate(self.holes):
            if begin <= first and last <= end:
                self.holes[index : index + 1] = [
                    part for part in ((begin, first - 1), (last + 1, end)) if part[0] <= part[1]
                ]
                self.tally.lost -= last - first + 1
                self.tally.out_of_order += last - first + 1
                return True
        self.tally.duplicated += min(last, self.seq) - first + 1
        fresh = last > self.seq
        self.seq = max(self.seq, last)
        return fresh

    def skip(self, first: int, last: int) -> None:
        """The server says that it leaves `first..last` out."""
        if self.advance(first, last):
            self.tally.skipped += last - first + 1

    def finish(self, head: int, forgiven: bool) -> None:
        """Close the account: of a room that ended at `head`, what was not reached is lost.

        It is not when that is `forgiven`: a slow viewer that was closed.
        """
        if self.joined < 0:
            return
        reach = self.seq if forgiven else max(head, self.seq)
        self.tally.expected += reach - self.joined
        self.tally.lost += reach - self.seq
