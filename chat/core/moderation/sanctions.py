"""Sanctions: who may not post in a room, until when.

The acts that begin and end a sanction are its whole description: a room's sanctions follow from its
staff stream. A user has one sanction of a kind; a new one replaces it. Staff are exempt.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from chat.core.moderation.acts import LiftAct, SanctionAct, SanctionKind
from chat.core.reject import Code, Rejection, reject

SANCTION_LIMIT = 50_000

_CODES = {SanctionKind.BAN: Code.BANNED, SanctionKind.MUTE: Code.MUTED}


class Sanctions:
    """The sanctions of one room. Times are in Unix milliseconds."""

    def __init__(self, acts: Iterable[SanctionAct] = ()) -> None:
        self._by_user: dict[str, dict[SanctionKind, SanctionAct]] = {}
        self._by_id: dict[int, SanctionAct] = {}
        self._by_address: dict[str, dict[int, SanctionAct]] = {}
        for act in acts:
            self._add(act)

    def __len__(self) -> int:
        return len(self._by_id)

    def apply(self, act: SanctionAct | LiftAct) -> None:
        """Follow the next act of the staff stream."""
        if isinstance(act, LiftAct):
            self._remove(act.lifted)
            return
        for other in self.find_of(act.user, at=None):
            if other.sanction is act.sanction or other.is_over(act.at):
                self._remove(other.id)
        self._add(act)

    def check(self, user: str, at: int, address: str = "") -> Rejection | None:
        """Return why a user may not post now, or a guest of an address.

        Of several sanctions of a kind, the wait is that of the one that lasts longest.
        """
        of_user, of_address = self._by_user.get(user), self._by_address.get(address)
        if of_user is None and of_address is None:
            return None  # as for nearly every post
        acts = [*(of_address or {}).values(), *(of_user or {}).values()]
        for kind, code in _CODES.items():
            ends = [
                math.inf if act.until is None else act.until
                for act in acts
                if act.sanction is kind and not act.is_over(at)
            ]
            if ends:
                wait = (max(ends) - at) / 1000
                return reject(code, retry_after=None if wait == math.inf else wait)
        return None

    def is_shadowed(self, user: str, at: int, address: str = "") -> bool:
        """Return whether a user's comments are for moderators only, or those of an address."""
        of_user, of_address = self._by_user.get(user), self._by_address.get(address)
        if of_user is None and of_address is None:
            return False
        acts = [*(of_address or {}).values(), *(of_user or {}).values()]
        return any(act.sanction is SanctionKind.SHADOW and not act.is_over(at) for act in acts)

    def find(self, number: int) -> SanctionAct | None:
        """Return the sanction with this id, if it was not lifted."""
        return self._by_id.get(number)

    def find_of(self, user: str, at: int | None) -> list[SanctionAct]:
        """Return a user's sanctions that are in force at a time; None for all."""
        found = self._by_user.get(user, {}).values()
        return [act for act in found if at is None or not act.is_over(at)]

    def find_all(self, at: int) -> list[SanctionAct]:
        """Return the sanctions that are in force at a time, oldest first."""
        return [act for act in self._by_id.values() if not act.is_over(at)]

    def drop_expired(self, at: int) -> None:
        """Forget the sanctions that are over."""
        for act in list(self._by_id.values()):
            if act.is_over(at):
                self._remove(act.id)

    def _add(self, act: SanctionAct) -> None:
        self._by_user.setdefault(act.user, {})[act.sanction] = act
        self._by_id[act.id] = act
        if act.address:
            self._by_address.setdefault(act.address, {})[act.id] = act

    def _remove(self, number: int) -> None:
        if (act := self._by_id.pop(number, None)) is not None:
            of_user = self._by_user[act.user]
            del of_user[act.sanction]
            if not of_user:
                del self._by_user[act.user]
            of_address = self._by_address.get(act.address, {})
            if of_address.pop(number, None) is not None and not of_address:
                del self._by_address[act.address]
