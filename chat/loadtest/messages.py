"""Decodes the messages of the server. Pure: bytes in, structs out.

Only the fields that a load test checks are read; unknown ones are ignored, as docs/protocol.md asks
of a client.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from chat.loadtest.schedule import read_text


class Entry(msgspec.Struct):
    """An entry, as far as a load test reads it."""

    kind: str
    seq: int
    text: str = ""


class Error(msgspec.Struct):
    """Why a post was not accepted."""

    code: str | int = ""


class Message(msgspec.Struct):
    """A message of the WebSocket or a response of the HTTP API, by the union of their fields."""

    type: str = ""
    epoch: str = ""
    seq: int = 0
    first: int | None = 0
    last: int | None = 0
    head: int = 0
    thinned: int = 0
    entries: list[Entry] = []
    recovered: bool | None = None
    reason: str | None = None
    ref: str | None = None
    dup: bool = False
    code: str | int = ""
    error: Error | None = None


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
decode = msgspec.json.Decoder(Message).decode


@dataclass(slots=True, eq=False)
class Batch:
    """A range of a room's entries, received in one frame or HTTP body, and its receipts.

    The server sends the same bytes to everyone, so a batch is decoded once in a process, and every
    further receipt is a comparison of bytes.
    """

    data: bytes
    first: int
    last: int
    count: int  # entries in the message
    thinned: int  # entries that the server reports as omitted
    missing: int  # entries omitted without a report
    disorder: int  # entries out of order, out of range, or there twice
    posts: list[tuple[int, int, int]]  # (seq, number, due) of this run's comments
    receipts: list[int] = field(default_factory=list)  # CLOCK_MONOTONIC, ns; not aggregated yet


def read_batch(data: bytes, first: int, last: int, message: Message, run: str) -> Batch:
    """Check a range against its entries, one by one, and find this run's comments among them."""
    previous, disorder, posts, seen = first - 1, 0, [], set()
    for entry in message.entries:
        seq = entry.seq
        if seq <= previous or seq > last:
            disorder += 1
        if first <= seq <= last:
            seen.add(seq)
            previous = max(previous, seq)
        if entry.kind == "comment" and (post := read_text(entry.text, run)):
            posts.append((seq, *post))
    missing = max(0, last - first + 1 - message.thinned - len(seen))
    return Batch(data, first, last, len(seen), message.thinned, missing, disorder, posts)
