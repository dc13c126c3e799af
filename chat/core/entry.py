"""The entries of a room's journal, and their encoding.

An entry is encoded once, when it is numbered. From then on its body is passed on as raw JSON, with
the typed entry beside it where code needs its fields.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from chat.core.comment import Comment
from chat.core.retraction import Clear, ClearUser, Retracted, Retraction
from chat.core.room_settings import SettingsChange

Entry = Comment | Retraction | Clear | ClearUser | SettingsChange
"""What can be appended to a journal; ``seq`` is 0 until it is numbered."""

AnyEntry = Entry | Retracted
"""What can be read from one."""

_decoder = msgspec.json.Decoder(AnyEntry)
_encoder = msgspec.json.Encoder()


class NumberedEntry(msgspec.Struct, frozen=True):
    """A durable entry and its body: the JSON that is stored and sent."""

    entry: AnyEntry
    body: bytes

    @property
    def seq(self) -> int:
        """The entry's number in its room."""
        return self.entry.seq


def number_entry(entry: Entry, seq: int) -> NumberedEntry:
    """Give an entry its number and encode it."""
    numbered = msgspec.structs.replace(entry, seq=seq)
    return NumberedEntry(numbered, _encoder.encode(numbered))


def decode_entry(body: bytes) -> NumberedEntry:
    """Read an entry's body as it was stored; raises msgspec.DecodeError when it is no such body."""
    return NumberedEntry(_decoder.decode(body), body)


def join_bodies(bodies: list[bytes]) -> Raw:
    """Return the JSON array of encoded bodies."""
    return Raw(b"[" + b",".join(bodies) + b"]")
