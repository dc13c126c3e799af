"""Acts: what moderators and hosts have done in a room, as entries of its staff stream.

Only staff can read the stream. Its entries are numbered 1, 2, 3 … in each room, apart from those of
the public one. An act is stored in one transaction with the public entry that it causes, if any.
Acts contain no texts of comments: what was removed is nowhere.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from chat.core.room_settings import RoomSettings

MAX_REASON_GRAPHEMES = 200
MAX_REASON_BYTES = 1_000


class _Act(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """``by`` and ``by_name`` are the user who acted, ``at`` is in Unix milliseconds.

    ``id`` is the number in the staff stream, 0 until the journal has assigned it.
    """

    id: int = 0
    at: int
    by: str
    by_name: str
    reason: str = ""


class RetractAct(_Act, frozen=True, kw_only=True, tag="retract"):
    """The comment ``seq``, which ``user`` posted as ``name``, was retracted."""

    seq: int
    user: str = ""
    name: str = ""


class ClearAct(_Act, frozen=True, kw_only=True, tag="clear"):
    """The comments up to ``before`` were removed: all, or those of ``user``."""

    before: int
    user: str = ""


class SettingsAct(_Act, frozen=True, kw_only=True, tag="settings"):
    """The room's settings were changed from ``before`` to ``settings``."""

    before: RoomSettings
    settings: RoomSettings


class SanctionKind(StrEnum):
    """What a sanctioned user may not do; who is shadowed posts for moderators only."""

    MUTE = "mute"
    BAN = "ban"
    SHADOW = "shadow"


class SanctionAct(_Act, frozen=True, kw_only=True, tag="sanction"):
    """A user was muted, banned or shadowed, until a time in Unix milliseconds; None for good.

    With an ``address``, which is a hash, also every guest of that address.
    """

    sanction: SanctionKind
    user: str
    until: int | None = None
    address: str = ""

    def is_over(self, at: int) -> bool:
        """Return whether it has ended by itself."""
        return self.until is not None and self.until <= at


class LiftAct(_Act, frozen=True, kw_only=True, tag="lift"):
    """The sanction of the act ``lifted``, against ``user``, was ended."""

    lifted: int
    sanction: SanctionKind
    user: str


class FiltersAct(_Act, frozen=True, kw_only=True, tag="filters"):
    """The room's filters were replaced by ``count`` others, which are stored beside the act."""

    count: int


class HoldAct(_Act, frozen=True, kw_only=True, tag="hold"):
    """A comment of ``user`` waits for a moderator, because of ``cause``; ``id`` names it.

    ``ref`` is the author's own id for it. ``by`` is empty: nobody did this. ``seq`` is that of the
    comment which was shown until enough users reported it, and is retracted.
    """

    user: str
    name: str
    cause: str
    ref: str | None = None
    seq: int = 0


class DecideAct(_Act, frozen=True, kw_only=True, tag="decide"):
    """The comment that the act ``held`` has held, by ``user``, was approved or not.

    An approved comment is the entry ``seq``, which is stored with this act.
    """

    held: int
    approved: bool
    user: str
    name: str
    seq: int = 0


class ReportAct(_Act, frozen=True, kw_only=True, tag="report"):
    """The comment ``seq``, which ``user`` posted as ``name``, was reported for the first time.

    Later reports are only counted. ``by`` is empty if the reporter had no token.
    """

    seq: int
    user: str
    name: str


class DismissAct(_Act, frozen=True, kw_only=True, tag="dismiss"):
    """The reports on the comment ``seq``, which ``user`` posted as ``name``, were dismissed."""

    seq: int
    user: str
    name: str


Act = (
    RetractAct
    | ClearAct
    | SettingsAct
    | SanctionAct
    | LiftAct
    | FiltersAct
    | HoldAct
    | DecideAct
    | ReportAct
    | DismissAct
)

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Act)


class NumberedAct(msgspec.Struct, frozen=True):
    """A durable act and its body: the JSON that is stored and sent."""

    act: Act
    body: bytes

    @property
    def id(self) -> int:
        """The act's number in the staff stream."""
        return self.act.id


def number_act(act: Act, number: int) -> NumberedAct:
    """Give an act its number and encode it."""
    numbered = msgspec.structs.replace(act, id=number)
    return NumberedAct(numbered, _encoder.encode(numbered))


def decode_act(body: bytes) -> NumberedAct:
    """Read an act's body as it was stored; raises msgspec.DecodeError when it is no such body."""
    return NumberedAct(_decoder.decode(body), body)
