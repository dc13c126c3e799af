"""Tells authors who are connected what became of their held comments.

Whoever has left asks by sending the same post again.
"""

from __future__ import annotations

from collections.abc import Iterable

from chat.core.moderation.held import Decided, Decision
from chat.core.reject import Code, reject
from chat.core.wire import Ack, encode, encode_reject
from chat.fanout.batch_cache import build_text_frame
from chat.fanout.staff_feed import StaffMember


class DecisionFeed:
    """The connections that wait for decisions, each with the refs of its comments."""

    def __init__(self) -> None:
        self._by_number: dict[int, dict[StaffMember, str | None]] = {}
        self._numbers: dict[StaffMember, set[int]] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def add(self, author: StaffMember, number: int, ref: str | None) -> None:
        """Tell an author what becomes of a comment."""
        self._by_number.setdefault(number, {})[author] = ref
        self._numbers.setdefault(author, set()).add(number)

    def remove(self, author: StaffMember) -> None:
        """Tell an author nothing more; does nothing if it did not wait."""
        for number in self._numbers.pop(author, ()):
            authors = self._by_number.get(number, {})
            authors.pop(author, None)
            if not authors:
                self._by_number.pop(number, None)

    def send(self, decided: Iterable[Decided], epoch: str) -> None:
        """Tell the authors of some comments what became of these."""
        for one in decided:
            for author, ref in self._by_number.pop(one.number, {}).items():
                numbers = self._numbers.get(author, set())
                numbers.discard(one.number)
                if not numbers:
                    self._numbers.pop(author, None)
                author.send_frame(build_text_frame(_encode(one, ref, epoch)))


def _encode(one: Decided, ref: str | None, epoch: str) -> bytes:
    if one.decision is Decision.APPROVED:
        return encode(Ack(ref, epoch, one.seq))
    return encode_reject(ref, reject(Code.NOT_APPROVED))
