"""Removals: the entries that remove comments, and the placeholder that replaces a comment.

``at`` is in Unix milliseconds; ``seq`` is 0 until the journal has numbered the entry.
"""

from __future__ import annotations

import msgspec


class Retraction(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="retract"):
    """The comment ``target`` must not be shown any more."""

    seq: int
    target: int
    at: int


class Clear(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="clear"):
    """The comments up to and including ``before`` must not be shown any more."""

    seq: int
    before: int
    at: int


class ClearUser(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="clear_user"):
    """The comments of ``user`` up to and including ``before`` must not be shown any more."""

    seq: int
    user: str
    before: int
    at: int


Removal = Retraction | Clear | ClearUser


class Retracted(msgspec.Struct, frozen=True, tag_field="kind", tag="retracted"):
    """The placeholder of a removed comment: it keeps the seq, so that there is no gap."""

    seq: int


def removes(removal: Removal, seq: int, user: str) -> bool:
    """Return whether a removal removes the comment ``seq`` of a user."""
    if isinstance(removal, Retraction):
        return seq == removal.target
    return seq <= removal.before and (isinstance(removal, Clear) or user == removal.user)


def encode_retracted(seq: int) -> bytes:
    """Return the body that replaces a removed comment's."""
    return msgspec.json.encode(Retracted(seq))
