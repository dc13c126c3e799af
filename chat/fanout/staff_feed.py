"""Sends acts to the moderators and hosts who are connected to a room.

They are few, so each gets a write of its own, outside the waves. Acts that somebody missed are in
the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chat.core.entry import join_bodies
from chat.core.moderation.acts import NumberedAct
from chat.core.wire import Staff, encode
from chat.fanout.batch_cache import build_text_frame


class StaffMember(Protocol):
    """A connection of a moderator or host."""

    def send_frame(self, data: bytes) -> None:
        """Send a frame, or buffer it; a connection that reads nothing is closed elsewhere."""


class StaffFeed:
    """The connections of a room's staff."""

    def __init__(self) -> None:
        self._members: dict[StaffMember, None] = {}

    def __len__(self) -> int:
        return len(self._members)

    def add(self, member: StaffMember) -> None:
        """Send to this member from now on."""
        self._members[member] = None

    def remove(self, member: StaffMember) -> None:
        """Send no more to this member."""
        self._members.pop(member, None)

    def send(self, acts: Sequence[NumberedAct]) -> None:
        """Send acts to all members; encoded once."""
        if acts and self._members:
            bodies = join_bodies([one.body for one in acts])
            frame = build_text_frame(encode(Staff(acts[0].id, acts[-1].id, bodies)))
            for member in list(self._members):
                member.send_frame(frame)
