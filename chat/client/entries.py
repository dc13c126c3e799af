"""The entries that a client has received: its cursor, the unread entries, and the missing ones.

Messages are added in order. A message after a gap is refused; entries that the server will not send
are represented by ``Missed``. Reconnecting after a gap is left to the client.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, get_args

import msgspec

from chat.core.comment import Comment
from chat.core.retraction import Removal, removes
from chat.core.wire import Batch, Cursor, Skip, Welcome

BUFFER_LIMIT = 10_000

_bodies = msgspec.json.Decoder(list[msgspec.Raw])
_comment = msgspec.json.Decoder(Comment)
_removal = msgspec.json.Decoder(Removal)
_REMOVALS = {kind.__struct_config__.tag for kind in get_args(Removal)}


class Missed(msgspec.Struct, frozen=True):
    """The entries ``first..last`` will not be received; 0..0 if the epoch has changed.

    ``why`` is the server's reason (slow, trimmed, thinned, epoch, ahead, limit), or ``unread`` when
    this client's own buffer overflowed. ``settings`` are the room's current ones if the server sent
    them: the missed entries may include a change.
    """

    first: int
    last: int
    why: str
    settings: dict[str, Any] | None = None


class Other(msgspec.Struct, frozen=True):
    """An entry that is not a comment; ``fields`` is the whole JSON object."""

    kind: str
    seq: int
    fields: dict[str, Any]


Entry = Comment | Other | Missed


class Entries:
    """An asynchronous iterator over the received entries; ``cursor`` is after the last of them.

    At most ``limit`` are buffered; above it the oldest ones become one ``Missed``. A comment that
    is removed before it is read becomes an ``Other`` of the kind ``retracted``.
    """

    def __init__(self, cursor: Cursor | None, limit: int = BUFFER_LIMIT) -> None:
        self.cursor = cursor
        self._limit = limit
        self._buffer: deque[Entry] = deque()
        self._changed = asyncio.Event()
        self._is_over = False

    def __aiter__(self) -> Entries:
        return self

    async def __anext__(self) -> Entry:
        """Return the next entry, waiting for it; ends after ``end`` and the last buffered one."""
        while not self._buffer:
            if self._is_over:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()
        return self._buffer.popleft()

    def end(self) -> None:
        """End the iteration after the buffered entries."""
        self._is_over = True
        self._changed.set()

    def add_welcome(self, welcome: Welcome) -> None:
        """Add the entries of a welcome."""
        bodies = _bodies.decode(welcome.entries)
        if self.cursor is not None and not welcome.recovered:
            first = last = 0
            if welcome.epoch == self.cursor.epoch and welcome.reason != "ahead":
                first = self.cursor.seq + 1
                last = welcome.seq - len(bodies)
                # The recent history may begin before the cursor.
                bodies = bodies[max(0, self.cursor.seq - last) :]
            if first <= last or not first:
                settings = msgspec.json.decode(welcome.settings)
                self._append(Missed(first, last, str(welcome.reason), settings))
        self._append_all(bodies)
        self.cursor = Cursor(welcome.epoch, welcome.seq)

    def add_range(self, message: Batch | Skip) -> bool:
        """Add the entries of a range; return False, and add none, if there is a gap before it."""
        assert self.cursor is not None
        if message.last <= self.cursor.seq:
            return True
        if message.first > self.cursor.seq + 1:
            return False
        if isinstance(message, Skip):
            settings = msgspec.json.decode(message.settings)
            self._append(Missed(message.first, message.last, message.why, settings))
        else:
            if message.thinned:
                self._append(Missed(message.first, message.last, "thinned"))
            self._append_all(_bodies.decode(message.entries))
        self.cursor = Cursor(self.cursor.epoch, message.last)
        return True

    def _append_all(self, bodies: list[msgspec.Raw]) -> None:
        for body in bodies:
            fields = msgspec.json.decode(body)
            if fields["kind"] == "comment":
                self._append(_comment.decode(body))
                continue
            if fields["kind"] in _REMOVALS:
                self._remove(_removal.decode(body))
            self._append(Other(fields["kind"], fields["seq"], fields))

    def _remove(self, removal: Removal) -> None:
        """Replace the unread comments that an entry removes, as the server does from now on."""
        for place, entry in enumerate(self._buffer):
            if isinstance(entry, Comment) and removes(removal, entry.seq, entry.user):
                fields = {"kind": "retracted", "seq": entry.seq}
                self._buffer[place] = Other("retracted", entry.seq, fields)

    def _append(self, entry: Entry) -> None:
        self._buffer.append(entry)
        if len(self._buffer) > self._limit:
            oldest = [self._buffer.popleft(), self._buffer.popleft()]
            self._buffer.appendleft(Missed(_first_of(oldest[0]), _last_of(oldest[1]), "unread"))
        self._changed.set()


def _first_of(entry: Entry) -> int:
    return entry.first if isinstance(entry, Missed) else entry.seq


def _last_of(entry: Entry) -> int:
    return entry.last if isinstance(entry, Missed) else entry.seq
