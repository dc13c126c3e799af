"""Comments that wait for a moderator: why, how they stand, and which a room has."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum

import msgspec

from chat.core.comment import Comment
from chat.core.moderation.acts import Act, ClearAct, DecideAct, HoldAct

HELD_LIMIT = 1_000


class Cause(StrEnum):
    """Why a comment is held; the first of these that applies."""

    HOLD_ALL = "hold_all"
    LINKS = "links"
    FILTERS = "filters"
    REPORTS = "reports"
    JUDGE = "judge"


class Decision(StrEnum):
    """What became of a held comment; ``cleared``: the comments were removed meanwhile."""

    APPROVED = "approved"
    REJECTED = "rejected"
    CLEARED = "cleared"


class HeldComment(msgspec.Struct, frozen=True):
    """A comment that is not shown before a moderator approves it."""

    comment: Comment
    cause: Cause


_decoder = msgspec.json.Decoder(HeldComment)


def decode_held(body: bytes) -> HeldComment:
    """Read a held comment as it was stored; raises msgspec.DecodeError when it is none."""
    return _decoder.decode(body)


class HeldRecord(msgspec.Struct, frozen=True):
    """How a held comment stands; ``number`` is that of the act that held it.

    ``decision`` is None while it waits, ``body`` the ``HeldComment`` as JSON until then. ``seq`` is
    the approved comment's.
    """

    number: int
    decision: Decision | None = None
    seq: int | None = None
    body: bytes = b""


class HeldPost(msgspec.Struct, frozen=True):
    """The outcome of a post that is held: its ref, and the number of the act that held it.

    ``is_repeated``: an earlier post with the ref was held.
    """

    ref: str | None
    number: int
    is_repeated: bool


class HeldKey(msgspec.Struct, frozen=True):
    """A comment that waits, and whose it is; ``ref`` is the author's own id for it."""

    number: int
    user: str
    ref: str | None


class Decided(msgspec.Struct, frozen=True):
    """A held comment that was decided; ``seq`` is the approved comment's."""

    number: int
    decision: Decision
    seq: int = 0


class HeldQueue:
    """Which comments of a room wait for a moderator.

    ``newest`` is the number of the newest act that was followed. ``storing``: how many are being
    stored, which count towards the limit.
    """

    __slots__ = ("_by_ref", "_newest", "_waiting", "storing")

    def __init__(self, waiting: Iterable[HeldKey] = (), newest: int = 0) -> None:
        self._newest = newest
        self._waiting: dict[int, HeldKey] = {}
        self._by_ref: dict[tuple[str, str], int] = {}
        self.storing = 0
        for key in waiting:
            self._add(key)

    def __len__(self) -> int:
        return len(self._waiting)

    def is_decided(self, number: int) -> bool:
        """Return whether a comment that was held does not wait any more."""
        return number <= self._newest and number not in self._waiting

    @property
    def is_full(self) -> bool:
        """Whether no more may be held."""
        return len(self._waiting) + self.storing >= HELD_LIMIT

    def find(self, user: str, ref: str) -> int | None:
        """Return the number of a user's comment that waits, None if there is none."""
        return self._by_ref.get((user, ref))

    def apply(self, act: Act) -> list[Decided]:
        """Follow an act; return what it has decided."""
        self._newest = act.id
        if isinstance(act, HoldAct):
            self._add(HeldKey(act.id, act.user, act.ref))
        elif isinstance(act, DecideAct):
            decision = Decision.APPROVED if act.approved else Decision.REJECTED
            self._end([act.held])
            return [Decided(act.held, decision, act.seq)]
        elif isinstance(act, ClearAct):
            of_user = [key.number for key in self._waiting.values() if act.user in ("", key.user)]
            self._end(of_user)
            return [Decided(number, Decision.CLEARED) for number in of_user]
        return []

    def keep(self, numbers: Collection[int], newest: int) -> None:
        """Forget those up to an act that are not in the archive any more, where all are trimmed."""
        self._end([one for one in self._waiting if one <= newest and one not in numbers])

    def _add(self, key: HeldKey) -> None:
        self._waiting[key.number] = key
        if key.ref is not None:
            self._by_ref[key.user, key.ref] = key.number

    def _end(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            key = self._waiting.pop(number, None)
            if key is not None and key.ref is not None:
                self._by_ref.pop((key.user, key.ref), None)
