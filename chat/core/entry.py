"""The entries of a room's journal, and their encoding.

An entry is encoded once, when it is numbered. From then on its body is passed on as raw JSON, with
the typed entry beside it where code needs its fields.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from chat.core.comment import Comment
from chat.core.retraction import Clear, ClearUser, Retracted, Retraction, encode_retracted
from chat.core.room_settings import SettingsChange

Entry = Comment | Retraction | Clear | ClearUser | SettingsChange
"""What can be appended to a journal; ``seq`` is 0 until it is numbered."""

AnyEntry = Entry | Retracted
"""What can be read from one."""


class Shadowed(msgspec.Struct, frozen=True, tag="shadow"):
    """A comment that only its author and moderators see; to all others it is ``retracted``."""

    comment: Comment

    @property
    def at(self) -> int:
        """When it was sent, in Unix milliseconds."""
        return self.comment.at

    @property
    def user(self) -> str:
        """The author."""
        return self.comment.user


class HiddenBody(msgspec.Struct, frozen=True):
    """The body of a shadowed comment, as its author and moderators get it, and the author."""

    user: str
    body: bytes


_decoder = msgspec.json.Decoder(AnyEntry)
_encoder = msgspec.json.Encoder()


class NumberedEntry(msgspec.Struct, frozen=True):
    """A durable entry and its body: the JSON that is sent.

    ``hidden`` is what the author of a shadowed comment and moderators get instead.
    """

    entry: AnyEntry
    body: bytes
    hidden: HiddenBody | None = None

    @property
    def seq(self) -> int:
        """The entry's number in its room."""
        return self.entry.seq


def number_entry(entry: Entry | Shadowed, seq: int) -> NumberedEntry:
    """Give an entry its number and encode it."""
    if isinstance(entry, Shadowed):
        comment = _encoder.encode(msgspec.structs.replace(entry.comment, seq=seq))
        return NumberedEntry(Retracted(seq), encode_retracted(seq), HiddenBody(entry.user, comment))
    numbered = msgspec.structs.replace(entry, seq=seq)
    return NumberedEntry(numbered, _encoder.encode(numbered))


def decode_entry(body: bytes) -> NumberedEntry:
    """Read an entry's body as it was stored; raises msgspec.DecodeError when it is no such body."""
    return NumberedEntry(_decoder.decode(body), body)


def join_bodies(bodies: list[bytes]) -> Raw:
    """Return the JSON array of encoded bodies."""
    return Raw(b"[" + b",".join(bodies) + b"]")
