"""Which comments of a flood are sent live: hosts' and moderators' first, then fairly by sender.

A person reads perhaps ten comments a second; a room of thousands says hundreds. What is left out
here is counted, kept in the archive and in the room's history, and never left out by luck.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from chat.core.comment import Role

FAIR_SECONDS = 1.0


class _Glance(msgspec.Struct, frozen=True):
    """What the choice goes by; an entry that is no comment has no role and is always sent."""

    kind: str
    user: str = ""
    role: Role = Role.VIEWER


_glance = msgspec.json.Decoder(_Glance)


class Thinning:
    """Leaves out what is more than ``rate`` comments a second; a rate of 0 leaves out nothing.

    What was not used is saved up for one second, and hosts and moderators may use one second's
    worth in advance. Entries that are no comments are never left out. Within a sender the earlier
    comment goes first; among senders, who was sent less in this second goes before who was sent
    more. ``now`` is any monotonic clock in seconds.
    """

    __slots__ = ("_fair_since", "_left", "_most", "_rate", "_sent", "_since")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._left = self._most = max(rate, 1.0)
        self._since: float | None = None
        # How many comments of each sender were sent since then; no more than may be sent in all.
        self._sent: Counter[str] = Counter()
        self._fair_since = 0.0

    def choose_left_out(self, first: int, bodies: Sequence[bytes], now: float) -> set[int]:
        """Return the seqs of ``first..`` to leave out, and count the others as sent."""
        if not self._rate:
            return set()
        self._save_up(now)
        hosts: list[int] = []
        viewers: list[tuple[int, int, str]] = []
        spoken = Counter[str]()
        for seq, body in enumerate(bodies, first):
            glance = _glance.decode(body)
            if glance.kind != "comment":
                continue
            if glance.role is not Role.VIEWER:
                hosts.append(seq)
                continue
            rank = self._sent[glance.user] + spoken[glance.user]
            viewers.append((rank, seq, glance.user))
            spoken[glance.user] += 1
        viewers.sort()
        kept_hosts = min(len(hosts), int(self._left + self._most))
        self._left -= kept_hosts
        kept_viewers = min(len(viewers), max(0, int(self._left)))
        self._left -= kept_viewers
        self._sent.update(user for _, _, user in viewers[:kept_viewers])
        return {*hosts[kept_hosts:], *(seq for _, seq, _ in viewers[kept_viewers:])}

    def _save_up(self, now: float) -> None:
        passed = 0.0 if self._since is None else now - self._since
        self._since = now
        self._left = min(self._most, self._left + passed * self._rate)
        if now - self._fair_since >= FAIR_SECONDS:
            self._sent.clear()
            self._fair_since = now
