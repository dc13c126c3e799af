"""Taking back what was said: an entry of its own, and what stays in the comment's place."""

from __future__ import annotations

import msgspec

from chat.core.history import History


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


_RETRACTION = b'{"kind":"retract",'
_COMMENT = b'{"kind":"comment",'
_decoder = msgspec.json.Decoder(Retraction)


def encode_retracted(seq: int) -> bytes:
    """Encode what stays in the place of a retracted comment."""
    return msgspec.json.encode(Retracted(seq))


def purge(history: History, body: bytes) -> None:
    """Take the text out of the history that an entry retracts; does nothing for other entries.

    Bodies are the encoder's own, and it writes the kind first: the others cost a comparison.
    """
    if not body.startswith(_RETRACTION):
        return
    target = _decoder.decode(body).target
    # Only a comment can be retracted: the archive does the same.
    if history.first <= target <= history.head and history.slice(target, target)[0].startswith(
        _COMMENT
    ):
        history.replace(target, encode_retracted(target))
