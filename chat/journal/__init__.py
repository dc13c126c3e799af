"""The journal numbers, stores and delivers a room's entries.

``append`` returns a number once the entry is durable, ``read`` returns a range, ``deliver`` is
called with new entries, in order, on the event loop, and ``trim`` removes old ones. Nothing is
delivered before it is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from chat.core.entry import Entry, NumberedEntry
from chat.core.room_settings import RoomSettings


class AppendResult(msgspec.Struct, frozen=True):
    """An entry's number; ``dup`` when an earlier post with the same ref has it."""

    seq: int
    dup: bool = False


class JournalRoom(msgspec.Struct, frozen=True):
    """A room as the journal has it: epoch, newest seq, settings, recent bodies, oldest first."""

    epoch: str
    head: int
    settings: RoomSettings
    recent: list[bytes]


class JournalError(Exception):
    """The disk or the database failed."""


class AppendFailed(JournalError):
    """An entry may not have been kept. Appending it again is safe when it has a ref."""


class ReadFailed(JournalError):
    """Entries could not be read. They may still be there: try again."""


class Busy(Exception):
    """As many entries as the journal may hold are waiting to be kept."""


Deliver = Callable[[str, Sequence[NumberedEntry]], None]
"""(room, entries): the next entries of a room, in order."""

Trimmed = Callable[[str, int], None]
"""(room, last seq): a room's entries up to this one are no longer kept."""


class Journal(Protocol):
    """What the hub needs of a journal. All methods belong to the event loop's thread."""

    @property
    def is_healthy(self) -> bool:
        """Whether what is appended can be kept, as far as is known."""

    def start(self, deliver: Deliver, trimmed: Trimmed) -> None:
        """Begin; ``deliver`` and ``trimmed`` are called for the open rooms."""

    async def open_room(self, name: str) -> JournalRoom:
        """Open a room, creating it at first use; from now on its entries are delivered.

        Raises ReadFailed, or Busy when as many as may be are waiting to be opened.
        """

    async def find_room(self, name: str) -> JournalRoom | None:
        """Open a room as ``open_room`` does if it has begun; write nothing, and return None if not.

        Raises ReadFailed or Busy.
        """

    def close_room(self, name: str) -> None:
        """Stop delivering a room."""

    def append(self, room: str, entry: Entry, ref: str | None) -> asyncio.Future[AppendResult]:
        """Number and keep an entry of an open room.

        The future has the entry's number once it is durable, or raises AppendFailed. Raises Busy at
        once. A retraction also removes the text of its target from the archive, and a change of
        settings becomes what the room opens with.
        """

    def is_consistent(self, room: str) -> bool:
        """Return whether all that was kept of a room was delivered; False after an AppendFailed."""

    async def read(self, room: str, after: int, limit: int) -> list[bytes]:
        """Return the bodies of the next ``limit`` entries after a seq; raises ReadFailed.

        Empty when the next entry was trimmed: never a range that begins later.
        """

    async def trim(self, cutoff: int) -> int:
        """Remove the entries of all rooms from before ``cutoff``, in Unix milliseconds.

        Works in small steps, between which others commit; heads stay. Returns how many entries were
        removed; raises JournalError.
        """

    async def close(self) -> None:
        """Keep and deliver what was appended, then close the archive."""
