"""When the next wave may start, and when a slow viewer is closed. Times are in seconds."""

from __future__ import annotations

STALL_SECONDS = 15.0
BUSY_COMMENTS = 8
BUSY_LENGTHS = 2.5
BUSY_SPACING_LIMIT = 0.15
REFRESH_SECONDS = 0.02


def next_wave_at(last_start: float, last_length: float, gap: float, waiting: int) -> float:
    """Return the earliest start of the next wave, which has ``waiting`` comments to send.

    In an idle room this time is in the past, and a comment is sent at once. A busy room waits for
    the gap, or for as long as its last wave took (its slices alternate with other work). If many
    comments are waiting, long waves may use 40 % of the time, up to a limit on the spacing: a later
    wave sends more for the same cost, and reading posts needs the other 60 %.
    """
    spacing = max(gap, last_length)
    if waiting >= BUSY_COMMENTS:
        spacing = max(spacing, min(BUSY_LENGTHS * last_length, BUSY_SPACING_LIMIT))
    return last_start + spacing


def is_stalled(stalled_since: float, now: float) -> bool:
    """Return whether a viewer has made no progress for ``STALL_SECONDS``."""
    return now - stalled_since >= STALL_SECONDS
