"""The names of a room's staff: nobody else may use them, or names that look like them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec

from chat.core.moderation.names import skeleton
from chat.core.reject import Code, Rejection, reject

STAFF_NAMES = 1_000

# The same people post again and again.
_find_skeleton = lru_cache(maxsize=4_096)(skeleton)


class StaffName(msgspec.Struct, frozen=True):
    """A name, and the user of the staff who uses it."""

    user: str
    name: str


class StaffNames:
    """The names that staff have used lately, at most ``STAFF_NAMES``; the oldest are dropped."""

    __slots__ = ("_users",)

    def __init__(self, names: Iterable[StaffName] = ()) -> None:
        # By skeleton, the users whose name it is.
        self._users: dict[str, set[str]] = {}
        for one in names:
            self.add(one.user, one.name)

    def add(self, user: str, name: str) -> None:
        """Keep a name of the staff from others."""
        looks = _find_skeleton(name)
        users = self._users.pop(looks, set())
        users.add(user)
        self._users[looks] = users
        if len(self._users) > STAFF_NAMES:
            del self._users[next(iter(self._users))]

    def check(self, user: str, name: str) -> Rejection | None:
        """Return why a user who is not of the staff may not use a name."""
        if not self._users:
            return None
        users = self._users.get(_find_skeleton(name))
        return None if users is None or user in users else reject(Code.NAME_TAKEN)
