"""Chooses which comments of a flood are sent live: those of staff first, then fairly.

A person reads perhaps ten comments a second; thousands of viewers post hundreds. A comment that is
omitted here is counted, and stays in the archive and in the room's history. The choice is
deterministic.
"""

from __future__ import annotations

from collections import Counter, deque

from chat.core.comment import Comment
from chat.core.entry import AnyEntry

FAIR_SECONDS = 1.0


class Thinning:
    """Omits comments above ``rate`` a second; a rate of 0 omits nothing.

    Unused rate is saved for one second, and staff (any role but viewer) may use that of one second
    in advance. Entries that are not comments are never omitted. Senders with fewer comments sent in
    this second come first; the comments of one sender are in order. ``now`` is any monotonic clock
    in seconds. At most ``capacity`` comments wait for a decision; older ones are dropped, as the
    history drops them.
    """

    __slots__ = ("_available", "_burst", "_fair_since", "_rate", "_sent", "_since", "_waiting")

    def __init__(self, rate: float, capacity: int) -> None:
        self._rate = rate
        self._available = self._burst = max(rate, 1.0)
        self._since: float | None = None
        # How many comments of each sender were sent since then; no more than may be sent in all.
        self._sent: Counter[str] = Counter()
        self._fair_since = 0.0
        # Comments that no wave has selected yet, oldest first.
        self._waiting: deque[Comment] = deque(maxlen=capacity)

    @property
    def is_active(self) -> bool:
        """Whether anything is ever omitted."""
        return self._rate > 0

    def add(self, entry: AnyEntry) -> None:
        """Record a new entry; entries are added in the order of their numbers."""
        if self._rate and isinstance(entry, Comment):
            self._waiting.append(entry)

    def choose_omitted(self, first: int, last: int, now: float) -> set[int]:
        """Return the seqs to omit among ``first`` to ``last``, and count the others as sent.

        Each entry is decided on once. Waiting ones older than ``first`` have left the history.
        """
        if not self._rate:
            return set()
        self._save_up(now)
        privileged: list[int] = []
        viewers: list[tuple[int, int, str]] = []
        posted = Counter[str]()
        while self._waiting and self._waiting[0].seq <= last:
            comment = self._waiting.popleft()
            if comment.seq < first:
                continue
            if comment.role.is_staff:
                privileged.append(comment.seq)
                continue
            rank = self._sent[comment.user] + posted[comment.user]
            viewers.append((rank, comment.seq, comment.user))
            posted[comment.user] += 1
        viewers.sort()
        sent_privileged = min(len(privileged), int(self._available + self._burst))
        self._available -= sent_privileged
        sent_viewers = min(len(viewers), max(0, int(self._available)))
        self._available -= sent_viewers
        self._sent.update(user for _, _, user in viewers[:sent_viewers])
        return {*privileged[sent_privileged:], *(seq for _, seq, _ in viewers[sent_viewers:])}

    def select_all(self) -> None:
        """Omit none of the entries that were added so far."""
        self._waiting.clear()

    def _save_up(self, now: float) -> None:
        elapsed = 0.0 if self._since is None else now - self._since
        self._since = now
        self._available = min(self._burst, self._available + elapsed * self._rate)
        if now - self._fair_since >= FAIR_SECONDS:
            self._sent.clear()
            self._fair_since = now
