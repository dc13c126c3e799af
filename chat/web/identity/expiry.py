"""When the tokens of connections expire; guests' sessions do not."""

from __future__ import annotations

from collections.abc import Hashable
from math import inf
from typing import Generic, TypeVar

Owner = TypeVar("Owner", bound=Hashable)


class TokenExpiry(Generic[Owner]):
    """The owners of tokens, by the second in which they expire; times are in Unix seconds."""

    def __init__(self) -> None:
        self._owners: dict[int, set[Owner]] = {}
        self._earliest = inf

    def __len__(self) -> int:
        return sum(map(len, self._owners.values()))

    def add(self, owner: Owner, expires_at: float) -> None:
        """Add an owner until ``discard`` or ``pop_expired``."""
        self._owners.setdefault(int(expires_at), set()).add(owner)
        self._earliest = min(self._earliest, int(expires_at))

    def discard(self, owner: Owner, expires_at: float) -> None:
        """Remove an owner that was added with this time; does nothing if it is not there."""
        owners = self._owners.get(int(expires_at))
        if owners is not None:
            owners.discard(owner)
            if not owners:
                del self._owners[int(expires_at)]

    def pop_expired(self, now: float) -> list[Owner]:
        """Remove and return the owners whose tokens have expired."""
        if now < self._earliest:
            return []
        ended = [second for second in self._owners if second + 1 <= now]
        owners = [owner for second in ended for owner in self._owners.pop(second)]
        self._earliest = min(self._owners, default=inf)
        return owners
