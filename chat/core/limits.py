"""Rate limits by sender: token buckets, a room's slow mode; and how soon a text may come again.

A bucket is stored as one number: the time at which it will be full again (the generic cell rate
algorithm, ITU-T I.371, annex A). A full bucket needs no memory at all.
"""

from __future__ import annotations

from collections import OrderedDict

from chat.core.folding import fold

PRUNE_ABOVE = 4_096
SENDERS_LIMIT = 50_000
TEXTS_LIMIT = 20_000


class RateLimit:
    """A bucket for each key: ``burst`` tokens at once, then ``rate`` a second.

    ``now`` is any monotonic clock in seconds. A rate of 0 turns the limit off.
    """

    __slots__ = ("_burst", "_full_at", "_interval", "_prune_at")

    def __init__(self, burst: int, rate: float) -> None:
        self._burst = burst
        self._interval = 1 / rate if rate > 0 else 0.0
        self._full_at: dict[str, float] = {}
        self._prune_at = PRUNE_ABOVE

    def take(self, key: str, now: float, cost: float = 1.0) -> float:
        """Take ``cost`` tokens; return 0, or the seconds until there are enough."""
        if not self._interval:
            return 0.0
        full_at = max(self._full_at.get(key, now), now) + cost * self._interval
        wait = full_at - now - self._burst * self._interval
        # Sums of floats drift: a billionth of a second must not cost a post.
        if wait > 1e-9:
            return wait
        self._full_at[key] = full_at
        if len(self._full_at) > self._prune_at:
            self._prune(now)
        return 0.0

    def wait(self, key: str, now: float) -> float:
        """Return the seconds until a token can be taken, 0 if one can be taken now."""
        full_at = max(self._full_at.get(key, now), now)
        wait = full_at - now - (self._burst - 1) * self._interval
        return wait if wait > 1e-9 else 0.0

    def overdraw(self, key: str, now: float, cost: float = 1.0) -> float:
        """Take ``cost`` tokens even if fewer are left; return seconds until the debt is paid."""
        if not self._interval:
            return 0.0
        full_at = max(self._full_at.get(key, now), now) + cost * self._interval
        self._full_at[key] = full_at
        if len(self._full_at) > self._prune_at:
            self._prune(now)
        return max(0.0, full_at - now - self._burst * self._interval)

    def give_back(self, key: str) -> None:
        """Return a token that was not used."""
        if key in self._full_at:
            self._full_at[key] -= self._interval

    def count_used(self, now: float) -> int:
        """Return how many buckets are not full; those that are full again are forgotten."""
        self._prune(now)
        return len(self._full_at)

    def _prune(self, now: float) -> None:
        self._full_at = {key: at for key, at in self._full_at.items() if at > now}
        # Twice what is in use, so that many keys do not cause a scan at every call.
        self._prune_at = max(PRUNE_ABOVE, 2 * len(self._full_at))

    def __len__(self) -> int:
        return len(self._full_at)


class SlowMode:
    """The minimum time between two comments of one sender.

    ``seconds`` may change at any time and applies at once; with 0 nothing is recorded. ``now`` is
    any monotonic clock in seconds. Above ``limit`` senders the oldest record is dropped, and its
    sender may post again.
    """

    __slots__ = ("_last", "_limit", "_seconds")

    def __init__(self, limit: int = SENDERS_LIMIT) -> None:
        self._limit = limit
        self._seconds = 0
        # sender -> (time, comment), the earliest first
        self._last: OrderedDict[str, tuple[float, object]] = OrderedDict()

    @property
    def seconds(self) -> int:
        """The minimum time between two comments of one sender."""
        return self._seconds

    @seconds.setter
    def seconds(self, seconds: int) -> None:
        self._seconds = seconds
        if not seconds:
            self._last.clear()

    def wait(self, sender: str, comment: object, now: float) -> float:
        """Return the seconds until a sender may post this comment, 0 if it may now.

        ``comment`` identifies retries of a comment, or is None. A retry of the last comment has no
        wait: only the journal knows whether it was stored.
        """
        if sender not in self._last or self._comes_again(sender, comment):
            return 0.0
        return max(0.0, self._last[sender][0] + self._seconds - now)

    def record(self, sender: str, comment: object, now: float) -> None:
        """Record that a sender has posted; a retry counts from its first time."""
        if not self._seconds or self._comes_again(sender, comment):
            return
        last = self._last
        last[sender] = (now, comment)
        last.move_to_end(sender)
        while len(last) > self._limit or next(iter(last.values()))[0] + self._seconds <= now:
            last.popitem(last=False)

    def forget(self, sender: str) -> None:
        """Forget a sender's last comment."""
        self._last.pop(sender, None)

    def _comes_again(self, sender: str, comment: object) -> bool:
        return comment is not None and self._last.get(sender, (0.0, None))[1] == comment

    def __len__(self) -> int:
        return len(self._last)


class RecentTexts:
    """Texts that were posted in the last ``seconds``, so that none is posted twice.

    Folded texts are compared. ``seconds`` may change at any time; with 0 nothing is recorded.
    ``now`` is any monotonic clock in seconds. Above ``limit`` texts the oldest is dropped, and may
    be posted again.
    """

    __slots__ = ("_limit", "_recent", "_seconds")

    def __init__(self, limit: int = TEXTS_LIMIT) -> None:
        self._limit = limit
        self._seconds = 0
        # The hash of a text, which takes less memory -> (time, comment), the earliest first
        self._recent: OrderedDict[int, tuple[float, object]] = OrderedDict()

    @property
    def seconds(self) -> int:
        """How long a text may not be posted again."""
        return self._seconds

    @seconds.setter
    def seconds(self, seconds: int) -> None:
        self._seconds = seconds
        if not seconds:
            self._recent.clear()

    def wait(self, text: str, comment: object, now: float) -> float:
        """Return the seconds until a text may be posted, 0 if it may now.

        ``comment`` identifies retries of a comment, or is None. A retry has no wait.
        """
        if not self.seconds or (last := self._recent.get(_hash(text))) is None:
            return 0.0
        at, by = last
        return 0.0 if by is not None and by == comment else max(0.0, at + self.seconds - now)

    def record(self, text: str, comment: object, now: float) -> None:
        """Record that a text was posted."""
        recent = self._recent
        if self.seconds:
            key = _hash(text)
            recent[key] = (now, comment)
            recent.move_to_end(key)
        while recent and (
            len(recent) > self._limit or next(iter(recent.values()))[0] + self.seconds <= now
        ):
            recent.popitem(last=False)

    def forget(self, text: str) -> None:
        """Forget a text, which was not stored."""
        if self._recent:
            self._recent.pop(_hash(text), None)

    def __len__(self) -> int:
        return len(self._recent)


def _hash(text: str) -> int:
    return hash(fold(text))
