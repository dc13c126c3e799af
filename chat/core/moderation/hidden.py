"""The shadowed comments of a room that are in memory, and who sees what of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from chat.core.entry import HiddenBody, NumberedEntry
from chat.core.history import BODY_OVERHEAD
from chat.core.retraction import Removal, removes

FindBody = Callable[[int], bytes | None]
"""(seq): what a viewer gets instead of the public body of an entry; None for that body."""

AUTHORS_LIMIT = 10_000


class HiddenComments:
    """Bodies by seq, for the entries of the history; others get them as ``retracted``.

    ``authors`` are those who have such comments here, and perhaps some who had. ``size``: the bytes
    of memory that the bodies take.
    """

    __slots__ = ("_bodies", "authors", "size")

    def __init__(self, bodies: Mapping[int, HiddenBody]) -> None:
        self._bodies = dict(bodies)
        self.size = sum(map(_measure, self._bodies.values()))
        self.authors = {one.user for one in bodies.values()}

    def __len__(self) -> int:
        return len(self._bodies)

    def add(self, numbered: NumberedEntry, first: int) -> None:
        """Add a shadowed comment; forget those before ``first``, the oldest of the history."""
        hidden = numbered.hidden
        assert hidden is not None
        self._bodies[numbered.seq] = hidden
        self.size += _measure(hidden)
        self.trim(first)
        self.authors.add(hidden.user)
        if len(self.authors) > AUTHORS_LIMIT:
            self.authors = {one.user for one in self._bodies.values()}

    def trim(self, first: int) -> None:
        """Forget those before ``first``."""
        for seq in list(self._bodies):
            if seq >= first:
                break
            self._forget(seq)

    def remove(self, removal: Removal) -> None:
        """Forget what a removal removes."""
        for seq, one in list(self._bodies.items()):
            if removes(removal, seq, one.user):
                self._forget(seq)

    def _forget(self, seq: int) -> None:
        self.size -= _measure(self._bodies.pop(seq))

    def get(self, seq: int) -> HiddenBody | None:
        """Return a shadowed comment, None if there is none under this number."""
        return self._bodies.get(seq)

    def find_for(self, user: str, *, is_moderator: bool) -> FindBody | None:
        """Return how a viewer's bodies are found, None if it sees what everybody sees."""
        if is_moderator:
            return lambda seq: reveal(self._bodies.get(seq), user, is_moderator=True)
        if user in self.authors:
            return lambda seq: reveal(self._bodies.get(seq), user, is_moderator=False)
        return None

    def list_newest(self, find: FindBody, count: int) -> list[bytes]:
        """Return the newest bodies that a viewer sees and others do not, oldest first."""
        found = [body for seq in self._bodies if (body := find(seq)) is not None]
        return found[-count:]


def _measure(hidden: HiddenBody) -> int:
    return len(hidden.body) + BODY_OVERHEAD


def reveal(hidden: HiddenBody | None, user: str, *, is_moderator: bool) -> bytes | None:
    """Return a shadowed comment as a user gets it; None for one who is not to see it.

    For moderators it is marked, for its author it is not.
    """
    if hidden is None:
        return None
    if is_moderator:
        return hidden.body[:-1] + b',"shadow":true}'
    return hidden.body if hidden.user == user else None


def reveal_all(
    bodies: Sequence[bytes],
    first: int,
    hidden: Mapping[int, HiddenBody],
    user: str,
    *,
    is_moderator: bool,
) -> list[bytes]:
    """Return the bodies of the entries from ``first`` on as a user gets them."""
    return [
        reveal(hidden.get(seq), user, is_moderator=is_moderator) or body
        for seq, body in enumerate(bodies, first)
    ]
