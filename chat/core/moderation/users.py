"""What moderators are told about a user."""

from __future__ import annotations

import msgspec


class UserRecord(msgspec.Struct, frozen=True):
    """A user who posted: when first, in Unix milliseconds, and the newest bodies, oldest first."""

    first_seen: int
    newest: list[bytes]
