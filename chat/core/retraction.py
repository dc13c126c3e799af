"""Taking back what was said: an entry of its own, and what stays in the comment's place."""

from __future__ import annotations

import msgspec


class Retraction(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="retract"):
    """The comment ``target`` is to be seen no more; ``at`` in Unix milliseconds.

    ``seq`` is 0 until the journal has numbered it.
    """

    seq: int
    target: int
    at: int


class Retracted(msgspec.Struct, frozen=True, tag_field="kind", tag="retracted"):
    """What is kept in the place of a retracted comment: its number, so that none is missing."""

    seq: int


_BEGINNING = b'{"kind":"retract",'
_decoder = msgspec.json.Decoder(Retraction)


def encode_retracted(seq: int) -> bytes:
    """Encode what stays in the place of a retracted comment."""
    return msgspec.json.encode(Retracted(seq))


def read_target(body: bytes) -> int | None:
    """Return which comment an entry retracts; None when it is no retraction.

    Bodies are the encoder's own, and it writes the kind first: the others cost a comparison.
    """
    return _decoder.decode(body).target if body.startswith(_BEGINNING) else None
