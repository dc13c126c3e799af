"""The journal numbers, keeps and delivers a room's entries.

``append`` -> a place once durable; ``read`` a range; ``deliver`` what is new, in order, on the
event loop; ``trim`` what is old. Nothing is delivered before it is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from chat.core.room_settings import RoomSettings
from chat.core.wire import Entry


class Place(msgspec.Struct, frozen=True):
    """Where an entry stands; ``dup`` when an earlier post of the same ref stands there."""

    seq: int
    dup: bool = False


class Opened(msgspec.Struct, frozen=True):
    """A room as the journal has it: epoch, newest seq, settings, recent bodies, oldest first."""

    epoch: str
    head: int
    settings: RoomSettings
    recent: list[bytes]


class NotKept(Exception):
    """The entry is not known to be kept: the disk or the database failed. Send it again."""


class Busy(Exception):
    """More is waiting to be kept than the journal may hold."""


Deliver = Callable[[str, int, Sequence[bytes]], None]
"""(room, first seq, bodies): the next entries of a room."""

Forget = Callable[[str, int], None]
"""(room, last seq): a room's entries up to there are kept no longer."""


class Journal(Protocol):
    """What the hub needs of a journal. All methods belong to the event loop's thread."""

    def start(self, deliver: Deliver, forget: Forget) -> None:
        """Begin; ``deliver`` and ``forget`` are called for the open rooms."""

    async def open_room(self, room: str) -> Opened:
        """Open a room, making it at first use; from here on its entries are delivered."""

    def close_room(self, room: str) -> None:
        """Stop delivering a room."""

    def append(self, room: str, entry: Entry, ref: str | None) -> asyncio.Future[Place]:
        """Number and keep an entry of an open room.

        The future brings its place once it is durable, or raises NotKept. Raises Busy at once.
        With a retraction, the text of its target is gone from the archive; with a change of
        settings, the room opens with these from then on.
        """

    def is_certain(self, room: str) -> bool:
        """Tell whether all that was kept of a room is delivered; not so after a NotKept."""

    async def read(self, room: str, after: int, limit: int) -> list[bytes]:
        """Return the bodies of the next ``limit`` entries that follow a seq; raises NotKept.

        None when the next was trimmed: never a range that begins later.
        """

    async def trim(self, cutoff: int) -> int:
        """Forget the entries of all rooms from before ``cutoff``, in Unix milliseconds.

        In small steps, between which others commit; heads stay. Returns how many they were; raises
        NotKept.
        """

    async def close(self) -> None:
        """Keep and deliver what was appended, then let the archive go."""
