"""Comments that users have reported to moderators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

REPORTS_PER_ROOM = 10_000
MAX_REASONS = 5


class ReportCount(msgspec.Struct, frozen=True):
    """How many open reports a comment has after one.

    ``is_new``: the report was stored, and is not a repeated one. ``refused``: it was not stored,
    since the comment is gone, or the room is full of reports.
    """

    count: int
    is_new: bool = False
    refused: Literal["", "gone", "full"] = ""


class ReportedComment(msgspec.Struct, frozen=True):
    """A comment with open reports: its body, how many, the most frequent reasons.

    ``last`` is when it was last reported, in Unix milliseconds.
    """

    seq: int
    body: bytes
    count: int
    reasons: Sequence[str]
    last: int
