"""The recent entries of a room, as encoded bodies in a bounded ring.

It is the only buffer between a comment and its viewers.
"""

from __future__ import annotations

HISTORY_LIMIT = 2_048
BODY_OVERHEAD = 48  # of a bytes object and its place in a list, in CPython


class History:
    """The newest entries, dense by seq: at least ``limit`` of them, at most twice as many.

    The list is cut only when it has grown to twice the limit, so that appending and slicing stay
    cheap: a ring as a list with an offset. ``size``: the bytes of memory that the entries take.
    ``capacity``: the largest number of entries that is ever held.
    """

    __slots__ = ("_bodies", "_first", "_limit", "capacity", "size")

    def __init__(self, head: int = 0, limit: int = HISTORY_LIMIT) -> None:
        self._bodies: list[bytes] = []
        self._first = head + 1
        self._limit = limit
        self.capacity = 2 * limit
        self.size = 0

    def __len__(self) -> int:
        return len(self._bodies)

    @property
    def first(self) -> int:
        """The oldest seq held, or ``head + 1`` when none is."""
        return self._first

    @property
    def head(self) -> int:
        """The newest seq of the room, 0 before the first."""
        return self._first + len(self._bodies) - 1

    def append(self, seq: int, body: bytes) -> None:
        """Add the next entry; raises ValueError when ``seq`` does not follow the head."""
        if seq != self.head + 1:
            raise ValueError(f"entry {seq} does not follow {self.head}")
        self._bodies.append(body)
        self.size += len(body) + BODY_OVERHEAD
        if len(self._bodies) >= self.capacity:
            self.trim(self.head - self._limit)

    def get(self, seq: int) -> bytes | None:
        """Return the body of an entry, or None when it is not held."""
        return self._bodies[seq - self._first] if self._first <= seq <= self.head else None

    def replace(self, seq: int, body: bytes) -> None:
        """Replace the body of an entry; does nothing when the entry is not held."""
        if self._first <= seq <= self.head:
            self.size += len(body) - len(self._bodies[seq - self._first])
            self._bodies[seq - self._first] = body

    def trim(self, last: int) -> None:
        """Drop the entries up to ``last``; the head stays."""
        surplus = max(0, min(last, self.head) - self._first + 1)
        self.size -= sum(map(len, self._bodies[:surplus])) + surplus * BODY_OVERHEAD
        del self._bodies[:surplus]
        self._first += surplus

    def has_after(self, seq: int) -> bool:
        """Return whether every entry after ``seq`` is still held."""
        return self._first - 1 <= seq <= self.head

    def slice(self, first: int, last: int) -> list[bytes]:
        """Return the bodies of ``first..last``; raises ValueError when one of them is not held."""
        if first < self._first or last > self.head or last < first - 1:
            raise ValueError(f"{first}..{last} is not within {self._first}..{self.head}")
        return self._bodies[first - self._first : last - self._first + 1]

    def recent(self, count: int) -> list[bytes]:
        """Return the newest entries, at most ``count``, oldest first."""
        return self._bodies[-count:] if count > 0 else []
