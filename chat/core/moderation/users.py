"""What moderators are told about a user."""

from __future__ import annotations

import msgspec


class UserRecord(msgspec.Struct, frozen=True):
    """A user who posted: when first, in Unix milliseconds, and the newest bodies, oldest first.

    ``reports`` is how many open ones the user's comments have.
    """

    first_seen: int
    newest: list[bytes]
    reports: int
