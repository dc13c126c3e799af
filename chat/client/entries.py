"""What a client is given of its room: where it stands, what nobody has read yet, what is missing.

It takes what the server says of entries, in order, and passes over nothing: a hole is refused, and
what will not come is told in its place. It knows no connection, and does nothing about a hole.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

import msgspec

from chat.core.comment import Comment
from chat.core.wire import Batch, Cursor, Skip, Welcome

BUFFER_LIMIT = 10_000

_bodies = msgspec.json.Decoder(list[msgspec.Raw])
_comment = msgspec.json.Decoder(Comment)


class Missed(msgspec.Struct, frozen=True):
    """Entries that will not come: ``first..last``, 0..0 when the numbering itself is another.

    ``why`` is the server's word (slow, trimmed, thinned, epoch, ahead, limit), or ``unread`` when
    this client's own buffer overflowed. ``settings`` are the room's after them, where the server
    told them: a change of them may be among what will not come.
    """

    first: int
    last: int
    why: str
    settings: dict[str, Any] | None = None


class Other(msgspec.Struct, frozen=True):
    """An entry that is no comment: its kind, its number, and all of it."""

    kind: str
    seq: int
    fields: dict[str, Any]


Entry = Comment | Other | Missed


class Entries:
    """The entries that wait to be read, to be iterated over, and the ``cursor`` behind the last.

    At most ``limit`` wait; of more, the oldest become one ``Missed``.
    """

    def __init__(self, cursor: Cursor | None, limit: int = BUFFER_LIMIT) -> None:
        self.cursor = cursor
        self._limit = limit
        self._buffer: deque[Entry] = deque()
        self._count_message = asyncio.Event()
        self._is_over = False

    def __aiter__(self) -> Entries:
        return self

    async def __anext__(self) -> Entry:
        """Return the next entry, waiting for it; what was kept before ``end`` is still given."""
        while not self._buffer:
            if self._is_over:
                raise StopAsyncIteration
            self._count_message.clear()
            await self._count_message.wait()
        return self._buffer.popleft()

    def end(self) -> None:
        """No more will come."""
        self._is_over = True
        self._count_message.set()

    def take_welcome(self, welcome: Welcome) -> None:
        """Go on where a new connection begins."""
        if self.cursor is not None and not welcome.recovered:
            first = last = 0
            if welcome.epoch == self.cursor.epoch and welcome.reason != "ahead":
                first = self.cursor.seq + 1
                last = welcome.seq - len(_bodies.decode(welcome.entries))
            settings = msgspec.json.decode(welcome.settings)
            self._keep(Missed(first, last, str(welcome.reason), settings))
        self._keep_all(welcome.entries)
        self.cursor = Cursor(welcome.epoch, welcome.seq)

    def take_range(self, message: Batch | Skip) -> bool:
        """Go on by a range; return False, and stay, when entries before it are missing."""
        assert self.cursor is not None
        if message.last <= self.cursor.seq:
            return True
        if message.first > self.cursor.seq + 1:
            return False
        if isinstance(message, Skip):
            settings = msgspec.json.decode(message.settings)
            self._keep(Missed(message.first, message.last, message.why, settings))
        else:
            if message.thinned:
                self._keep(Missed(message.first, message.last, "thinned"))
            self._keep_all(message.entries)
        self.cursor = Cursor(self.cursor.epoch, message.last)
        return True

    def _keep_all(self, entries: msgspec.Raw) -> None:
        for body in _bodies.decode(entries):
            fields = msgspec.json.decode(body)
            if fields["kind"] == "comment":
                self._keep(_comment.decode(body))
            else:
                self._keep(Other(fields["kind"], fields["seq"], fields))

    def _keep(self, entry: Entry) -> None:
        self._buffer.append(entry)
        if len(self._buffer) > self._limit:
            oldest = [self._buffer.popleft(), self._buffer.popleft()]
            self._buffer.appendleft(Missed(_first_of(oldest[0]), _last_of(oldest[1]), "unread"))
        self._count_message.set()


def _first_of(entry: Entry) -> int:
    return entry.first if isinstance(entry, Missed) else entry.seq


def _last_of(entry: Entry) -> int:
    return entry.last if isinstance(entry, Missed) else entry.seq
