"""When the next wave may start, and what becomes of a viewer that lags. Times are in seconds."""

from __future__ import annotations

STALL_SECONDS = 15.0
CROWD = 8
CALM_LENGTHS = 2.5
CALM_SECONDS = 0.15
TAKE_UP_SECONDS = 0.02


def next_wave_at(last_start: float, last_length: float, gap: float, waiting: int) -> float:
    """Return the earliest start of the next wave, which has ``waiting`` comments to bring.

    A room that was idle is past this time and sends at once. A busy one waits for the gap, or for
    as long as its last wave took; that one was sent in slices, between which all others had a turn.
    Where a crowd speaks, waves that are long take two fifths of the time and not more, as far as
    that keeps nobody waiting for long: a later wave brings more at the same price, and who speaks
    needs the other three to be heard.
    """
    spacing = max(gap, last_length)
    if waiting >= CROWD:
        spacing = max(spacing, min(CALM_LENGTHS * last_length, CALM_SECONDS))
    return last_start + spacing


def is_stalled(stalled_since: float, now: float) -> bool:
    """Tell whether a viewer has made no progress for so long that it is closed."""
    return now - stalled_since >= STALL_SECONDS
