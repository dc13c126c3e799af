"""Checks that a viewer gets every entry, in order. Pure: ranges of seqs in, counts out.

Ranges must follow each other; omitted entries must be covered by `thinned` or `skip`. A gap that is
filled later counts as out of order, one that is never filled as lost.
"""

from __future__ import annotations

from chat.loadtest.measurement import Counters

HOLES_LIMIT = 1000  # per viewer; a hole beyond it stays lost, also when it is filled


class SequenceTracker:
    """One viewer's position in its room's numbering."""

    __slots__ = ("counters", "epoch", "holes", "joined", "seq")

    def __init__(self, counters: Counters) -> None:
        self.counters = counters
        self.epoch = ""
        self.seq = 0
        self.joined = -1  # the seq at which the viewer joined; -1: not yet
        self.holes: list[tuple[int, int]] = []

    @property
    def cursor(self) -> str:
        """The cursor with which the viewer resumes."""
        return f"{self.epoch}:{self.seq}"

    def join(self, epoch: str, seq: int) -> None:
        """Start after `seq`. Called again, it starts anew: what came before counts as expected."""
        if self.joined >= 0:
            self.counters.expected += self.seq - self.joined
        self.epoch, self.seq, self.joined = epoch, seq, seq

    def advance(self, first: int, last: int) -> bool:
        """Record the range `first..last`; return whether it is new."""
        if first > last:
            return False
        if first <= self.seq:
            return self._take_late(first, last)
        if first > self.seq + 1:
            self.counters.lost += first - 1 - self.seq  # until it comes
            if len(self.holes) < HOLES_LIMIT:
                self.holes.append((self.seq + 1, first - 1))
        self.seq = last
        return True

    def _take_late(self, first: int, last: int) -> bool:
        """Record a range before `seq`: it fills a gap, or is a duplicate."""
        counters = self.counters
        for index, (begin, end) in enumerate(self.holes):
            if begin <= first and last <= end:
                parts = ((begin, first - 1), (last + 1, end))
                self.holes[index : index + 1] = [part for part in parts if part[0] <= part[1]]
                counters.lost -= last - first + 1
                counters.out_of_order += last - first + 1
                return True
        counters.duplicated += min(last, self.seq) - first + 1
        is_new = last > self.seq
        self.seq = max(self.seq, last)
        return is_new

    def skip(self, first: int, last: int) -> None:
        """Record that the server will not send `first..last`."""
        if self.advance(first, last):
            self.counters.skipped += last - first + 1

    def finish(self, head: int, forgiven: bool) -> None:
        """Count what was expected, and as lost what is missing up to the room's last seq `head`.

        With `forgiven`, for a slow viewer that was closed, entries missing at the end do not count.
        """
        if self.joined < 0:
            return
        reach = self.seq if forgiven else max(head, self.seq)
        self.counters.expected += reach - self.joined
        self.counters.lost += reach - self.seq
