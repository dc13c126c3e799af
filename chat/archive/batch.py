"""What is appended to an archive, and what comes of it."""

from __future__ import annotations

import msgspec

from chat.core.comment import Comment
from chat.core.entry import Entry, NumberedEntry, Shadowed
from chat.core.moderation.acts import Act, HoldAct, NumberedAct
from chat.core.moderation.held import HeldRecord
from chat.core.moderation.reports import ReportCount


class UnsavedEntry(msgspec.Struct, frozen=True):
    """An entry that waits for its number; ``ref`` is its sender's own id for it.

    ``act``, if a moderator caused the entry, is stored with it. An act without an entry is stored
    alone; its result has the number of the newest entry. ``address`` is the hash of the sender's
    address, if it is to be kept. ``payload`` is what an act has beside it: new filters, the comment
    that is held, or who reports.
    """

    room_id: int
    entry: Entry | Shadowed | None
    ref: str | None = None
    act: Act | None = None
    address: str = ""
    payload: bytes = b""

    @property
    def at(self) -> int:
        """When it was made, in Unix milliseconds."""
        return max(0 if one is None else one.at for one in (self.entry, self.act))

    @property
    def key(self) -> tuple[int, str, str | None]:
        """The room, the sender and the sender's ref."""
        return self.room_id, self.user, self.ref

    @property
    def user(self) -> str:
        """The sender; a ref belongs to its sender."""
        if isinstance(self.act, HoldAct) and self.entry is None:
            return self.act.user
        return self.entry.user if isinstance(self.entry, Comment | Shadowed) else ""


class StoredEntry(msgspec.Struct, frozen=True):
    """The result for one entry of a batch: its number; entry and act unless it is a duplicate.

    ``held``: how the comment stands that was held earlier under the same ref. ``reports``: how many
    the comment has that was reported.
    """

    seq: int
    entry: NumberedEntry | None
    act: NumberedAct | None = None
    held: HeldRecord | None = None
    reports: ReportCount | None = None

    @property
    def dup(self) -> bool:
        """Whether an earlier entry with the same sender and ref has this number."""
        return self.entry is None and self.act is None
