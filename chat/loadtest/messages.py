"""What the server says, as values. Pure: bytes to structs, nothing kept.

Only the fields that a load test judges are read; unknown ones are passed over, as the protocol asks
of a viewer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from chat.loadtest.frames import ProtocolError
from chat.loadtest.plan import read_text


class Entry(msgspec.Struct):
    """An entry, as far as a load test reads it."""

    kind: str
    seq: int
    text: str = ""


class Message(msgspec.Struct):
    """Any message of the WebSocket, by the union of the fields that matter here."""

    type: str
    epoch: str = ""
    first: int = 0
    last: int = 0
    seq: int = 0
    ref: str | None = None
    code: str | int = ""
    dup: bool = False
    thinned: int = 0
    recovered: bool | None = None
    reason: str | None = None
    entries: list[Entry] = []


class Page(msgspec.Struct):
    """An answer of `GET /api/rooms/{room}/entries`."""

    epoch: str
    first: int | None = None
    last: int | None = None
    head: int = 0
    recovered: bool | None = None
    reason: str | None = None
    thinned: int = 0
    entries: list[Entry] = []


class Posted(msgspec.Struct):
    """An answer of `POST /api/rooms/{room}/comments`: the ack, or the error."""

    class Error(msgspec.Struct):
        """Why a post was not accepted."""

        code: str | int = ""

    epoch: str = ""
    seq: int = 0
    dup: bool = False
    error: Error | None = None


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
decode_message = msgspec.json.Decoder(Message).decode
decode_page = msgspec.json.Decoder(Page).decode
decode_posted = msgspec.json.Decoder(Posted).decode


@dataclass(slots=True, eq=False)
class Batch:
    """A stretch of a room's numbering as it came in one frame or one HTTP body, and when to whom.

    The server sends the same bytes to everyone, so a batch is read once in a process and every
    further receipt is a comparison of bytes. `receipts` (CLOCK_MONOTONIC, ns) are folded into the
    measurement and emptied in turn.
    """

    data: bytes
    epoch: str
    first: int
    last: int
    count: int  # entries that are there
    thinned: int  # entries left out with a word about it
    missing: int  # entries left out without one
    disorder: int  # entries out of order, out of range, or there twice
    posts: list[tuple[int, int, int]]  # (seq, number, due) of this run's comments
    receipts: list[int] = field(default_factory=list)

    @property
    def dues(self) -> list[int]:
        """When this run's comments in it were due, in ns."""
        return [due for _, _, due in self.posts]


def read_batch(
    data: bytes, epoch: str, first: int, last: int, thinned: int, entries: Sequence[Entry], run: str
) -> Batch:
    """Check a range against its entries, one by one, and find this run's comments among them."""
    previous, disorder, posts, seen = first - 1, 0, [], set()
    for entry in entries:
        seq = entry.seq
        if seq <= previous or seq > last:
            disorder += 1
        if first <= seq <= last:
            seen.add(seq)
            previous = max(previous, seq)
        if entry.kind == "comment" and (post := read_text(entry.text, run)):
            posts.append((seq, *post))
    missing = max(0, last - first + 1 - thinned - len(seen))
    return Batch(data, epoch, first, last, len(seen), thinned, missing, disorder, posts)


def read_message(payload: bytes) -> Message:
    """Read a message of the WebSocket. Raises ProtocolError."""
    try:
        return decode_message(payload)
    except UNREADABLE as problem:
        raise ProtocolError(f"a message that cannot be read: {problem}") from None
