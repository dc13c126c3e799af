"""Retractions: the entry that removes a comment, and the placeholder that replaces it."""

from __future__ import annotations

import msgspec


class Retraction(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="retract"):
    """The comment ``target`` must not be shown any more; ``at`` in Unix milliseconds.

    ``seq`` is 0 until the journal has numbered it.
    """

    seq: int
    target: int
    at: int


class Retracted(msgspec.Struct, frozen=True, tag_field="kind", tag="retracted"):
    """The placeholder of a retracted comment: it keeps the seq, so that there is no gap."""

    seq: int


def encode_retracted(seq: int) -> bytes:
    """Return the body that replaces a retracted comment's."""
    return msgspec.json.encode(Retracted(seq))
