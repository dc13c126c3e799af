"""Which comments of a flood are sent live: hosts' and moderators' first, then fairly by sender.

A person reads perhaps ten comments a second; a room of thousands says hundreds. What is left out
here is counted, kept in the archive and in the room's history, and never left out by luck.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import msgspec

from chat.core.comment import Role


class _Glance(msgspec.Struct, frozen=True):
    """What the choice goes by; an entry that is no comment has no role and is always sent."""

    kind: str
    user: str = ""
    role: Role = Role.VIEWER


_glance = msgspec.json.Decoder(_Glance)


def choose_left_out(first: int, bodies: Iterable[bytes], budget: int) -> set[int]:
    """Return the seqs to leave out of ``first..`` so that at most ``budget`` comments remain.

    Entries that are no comments cost nothing. Within a sender the earlier comment goes first; among
    senders, everybody's first comment goes before anybody's second.
    """
    ranked: list[tuple[int, int, int]] = []
    spoken: defaultdict[str, int] = defaultdict(int)
    for seq, body in enumerate(bodies, first):
        glance = _glance.decode(body)
        if glance.kind != "comment":
            continue
        if glance.role is not Role.VIEWER:
            ranked.append((0, 0, seq))
            continue
        spoken[glance.user] += 1
        ranked.append((1, spoken[glance.user], seq))
    ranked.sort()
    return {seq for _, _, seq in ranked[max(0, budget) :]}


class Allowance:
    """How many comments may be sent now: ``rate`` a second, saved up for at most one second.

    ``now`` is any monotonic clock in seconds. A rate of 0 is no limit.
    """

    __slots__ = ("_left", "_rate", "_since")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = float(rate)
        self._since: float | None = None

    def take(self, wanted: int, now: float) -> int:
        """Return how many of ``wanted`` comments may be sent, and count them as sent."""
        if not self._rate:
            return wanted
        passed = 0.0 if self._since is None else now - self._since
        self._since = now
        self._left = min(self._rate, self._left + passed * self._rate)
        granted = min(wanted, int(self._left))
        self._left -= granted
        return granted
