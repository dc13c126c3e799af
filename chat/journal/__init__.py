"""The journal numbers, stores and delivers a room's entries.

``append`` returns a number once the entry is durable, ``read`` returns a range, ``deliver`` is
called with new entries, in order, on the event loop, and ``trim`` removes old ones. Nothing is
delivered before it is durable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import msgspec

from chat.core.entry import Entry, HiddenBody, NumberedEntry, Shadowed
from chat.core.moderation.acts import Act, NumberedAct, SanctionAct
from chat.core.moderation.held import HeldKey, HeldRecord
from chat.core.moderation.reports import ReportCount, ReportedComment
from chat.core.moderation.staff_names import StaffName
from chat.core.moderation.users import UserRecord
from chat.core.room_settings import RoomSettings


class AppendResult(msgspec.Struct, frozen=True):
    """An entry's number; ``dup`` when an earlier post with the same ref has it.

    ``act``: the number of the act that was stored with it, 0 without one. ``held``: how the comment
    stands that was held earlier under the same ref. ``reports``: how many the comment has that was
    reported.
    """

    seq: int
    dup: bool = False
    act: int = 0
    held: HeldRecord | None = None
    reports: ReportCount | None = None


class JournalRoom(msgspec.Struct, frozen=True):
    """A room's stored state: epoch, newest seq, settings, recent bodies, oldest first; its acts.

    ``acts`` is the number of the newest act; ``sanctions`` are the acts that began those in force,
    and perhaps expired ones. ``filters`` is the number of the act that set the filters, 0 without
    one. ``held`` are the comments that wait for a moderator, ``names`` those that the
    staff use. ``hidden``: the shadowed comments among the recent entries, by seq.
    """

    epoch: str
    head: int
    settings: RoomSettings
    recent: list[bytes]
    acts: int = 0
    sanctions: Sequence[SanctionAct] = ()
    filters: int = 0
    held: Sequence[HeldKey] = ()
    names: Sequence[StaffName] = ()
    hidden: Mapping[int, HiddenBody] = MappingProxyType({})


class JournalError(Exception):
    """The disk or the database failed."""


class AppendFailed(JournalError):
    """An entry may not have been stored. Appending it again is safe if it has a ref."""


class ReadFailed(JournalError):
    """Entries could not be read. They may still be stored: try again."""


class Busy(Exception):
    """The journal's queue of entries or of rooms to open is full."""


Deliver = Callable[[str, Sequence[NumberedEntry], Sequence[NumberedAct]], None]
"""(room, entries, acts): the next entries of a room and of its staff stream, in order."""

Trimmed = Callable[[str, int], None]
"""(room, last seq): a room's entries up to this one are being, or were, deleted."""


class Journal(Protocol):
    """What the hub needs of a journal. All methods belong to the event loop's thread."""

    @property
    def is_healthy(self) -> bool:
        """Whether entries can be stored, as far as is known."""

    def start(self, deliver: Deliver, trimmed: Trimmed) -> None:
        """Begin; ``deliver`` and ``trimmed`` are called for the open rooms."""

    async def open_room(self, name: str) -> JournalRoom:
        """Open a room, creating it at first use; from now on its entries are delivered.

        Raises ReadFailed, or Busy when too many rooms wait to be opened.
        """

    async def find_room(self, name: str) -> JournalRoom | None:
        """Open a room if it exists; otherwise return None. Writes nothing.

        Raises ReadFailed or Busy.
        """

    def close_room(self, name: str) -> None:
        """Stop delivering a room."""

    def append(
        self,
        room: str,
        entry: Entry | Shadowed | None,
        ref: str | None,
        act: Act | None = None,
        address: str = "",
        payload: bytes = b"",
    ) -> asyncio.Future[AppendResult]:
        """Number and store an entry of an open room, and the act that caused it.

        The future has the entry's number once it is durable, or raises AppendFailed. Busy is
        raised at once. The texts that a removal removes cannot be read from then on, and are
        overwritten in the archive. A change of settings also replaces the settings stored with the
        room. If the ref was used before, neither is stored. An act without an entry is stored
        alone. ``address`` is the hash of the sender's, to be kept with the user. ``payload`` is
        stored beside an act that has one: the filters of a ``FiltersAct``, the comment that a
        ``HoldAct`` holds, or who reports in a ``ReportAct``. A second decision on a held comment is
        not stored, nor is a hold of a reported comment that was removed meanwhile; of the reports
        on a comment only the first is an act.
        """

    def is_consistent(self, room: str) -> bool:
        """Return whether all stored entries of a room were delivered; False after AppendFailed."""

    async def read(self, room: str, after: int, limit: int) -> list[bytes]:
        """Return the bodies of the next ``limit`` entries after a seq; raises ReadFailed.

        Empty if the next entry was trimmed; a range never begins later.
        """

    async def read_hidden(self, room: str, first: int, last: int) -> dict[int, HiddenBody]:
        """Return the shadowed comments among the entries ``first..last``; raises ReadFailed."""

    async def read_acts(self, room: str, after: int, limit: int) -> list[bytes]:
        """Return the bodies of the next ``limit`` acts after a number; raises ReadFailed."""

    @property
    def address_secret(self) -> bytes:
        """The secret with which addresses are hashed."""

    async def find_address(self, room: str, user: str) -> str | None:
        """Return the hash of the address from which a user posted last; raises ReadFailed."""

    async def find_user(self, room: str, user: str, limit: int) -> UserRecord | None:
        """Return what a user posted lately, ``limit`` comments at most; raises ReadFailed."""

    async def read_filters(self, room: str, before: int | None = None) -> tuple[int, bytes] | None:
        """Return the room's filters and the number of the act that set them; None without one.

        With ``before``, those in force before that act; only the last few are kept. Raises
        ReadFailed.
        """

    async def read_held(self, room: str) -> list[HeldRecord]:
        """Return the comments that wait for a moderator, oldest first; raises ReadFailed."""

    async def find_held(self, room: str, number: int) -> HeldRecord | None:
        """Return how the comment stands that an act has held; raises ReadFailed."""

    async def read_reports(self, room: str) -> list[ReportedComment]:
        """Return the comments with open reports, most reports first; raises ReadFailed."""

    async def trim(self, cutoff: int) -> int:
        """Delete entries and acts of all rooms older than ``cutoff``, in Unix milliseconds.

        Works in small steps, between which commits run; heads do not change. Returns the number of
        deleted entries; raises JournalError.
        """

    async def close(self) -> None:
        """Store and deliver the pending entries, then close the archive."""
