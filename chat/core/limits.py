"""How fast one sender may speak.

A bucket of tokens, kept as one number: the time at which it will be full again (the generic cell
rate algorithm, ITU-T I.371, annex A). A bucket that is full needs no memory at all.
"""

from __future__ import annotations

PRUNE_ABOVE = 4_096


class PostLimits:
    """The buckets of a room's senders: ``burst`` posts at once, then ``rate`` a second.

    ``now`` is any monotonic clock in seconds. A rate of 0 turns the limit off.
    """

    __slots__ = ("_burst", "_full_at", "_interval", "_prune_at")

    def __init__(self, burst: int, rate: float) -> None:
        self._burst = burst
        self._interval = 1 / rate if rate > 0 else 0.0
        self._full_at: dict[str, float] = {}
        self._prune_at = PRUNE_ABOVE

    def take(self, user: str, now: float) -> float:
        """Take one token; return 0 when there was one, else the seconds until there is."""
        if not self._interval:
            return 0.0
        full_at = max(self._full_at.get(user, now), now) + self._interval
        wait = full_at - now - self._burst * self._interval
        # Additions of tenths drift: a billionth of a second must not cost anybody a post.
        if wait > 1e-9:
            return wait
        self._full_at[user] = full_at
        if len(self._full_at) > self._prune_at:
            self._prune(now)
        return 0.0

    def _prune(self, now: float) -> None:
        self._full_at = {user: at for user, at in self._full_at.items() if at > now}
        # Twice what is in use, so that a room of many speakers does not prune at every post.
        self._prune_at = max(PRUNE_ABOVE, 2 * len(self._full_at))

    def __len__(self) -> int:
        return len(self._full_at)
