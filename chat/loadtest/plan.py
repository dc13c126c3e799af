"""When each comment of a run is due, and what it says. Pure: no clock, no randomness.

The schedule is open loop: it is fixed before the first comment goes out, and a comment carries the
time at which it was due, not the one at which it was sent. So a server (or a tester) that stalls
makes every comment of the stall late, instead of quietly being asked for less (the "coordinated
omission" that Gil Tene named).
"""

from __future__ import annotations

from chat.loadtest.options import Options

SECOND = 1_000_000_000
BURST_FACTOR = 100
TEXT_LENGTH = 100  # ASCII: as many bytes and graphemes, the most that the wire allows in graphemes
PADDING = (
    "now that was a play to remember, again from the other side please, and once more slowly " * 2
)
DEFAULT_POST_RATE, DEFAULT_POST_BURST = (
    1.0,
    5.0,
)  # what a server takes from one sender unless it was told otherwise


def schedule_posts(options: Options) -> list[int]:
    """The times at which comments are due, in nanoseconds after the start, in order."""
    if options.profile != "burst":
        return spread(options.rate, 0.0, options.duration)
    burst = options.duration / 2 - 0.5
    return (
        spread(options.rate, 0.0, burst)
        + spread(options.rate * BURST_FACTOR, burst, burst + 1)
        + spread(options.rate, burst + 1, options.duration)
    )


def spread(rate: float, begin: float, end: float) -> list[int]:
    """Return evenly spaced times, in ns, from `begin` up to and without `end`, in seconds."""
    count = round(rate * (end - begin))
    return [round((begin + number / rate) * SECOND) for number in range(count)]


def write_text(run: str, number: int, due: int) -> str:
    """Return a comment that says its run, its number, and when it was due (CLOCK_MONOTONIC, ns)."""
    return f"load {run} {number} {due} {PADDING}"[:TEXT_LENGTH].rstrip()


def read_text(text: str, run: str) -> tuple[int, int] | None:
    """`(number, due)` of a comment of this run; None for anything that other people said."""
    words = text.split(" ", 4)
    if len(words) < 4 or words[0] != "load" or words[1] != run:
        return None
    try:
        return int(words[2]), int(words[3])
    except ValueError:
        return None


def foresee_rejections(options: Options) -> str | None:
    """A sentence when the schedule asks one viewer for more than a server takes by default.

    None when it does not.
    """
    posters = options.viewers - options.slow_viewers
    if not posters or not options.rate:
        return None
    each = options.rate / posters
    allowed = DEFAULT_POST_RATE + DEFAULT_POST_BURST / options.duration
    spike = each * BURST_FACTOR
    if options.profile == "burst" and spike > DEFAULT_POST_BURST + DEFAULT_POST_RATE:
        return (
            f"In the burst each of {posters:,} viewers posts {spike:.1f} times within a second; "
            f"a server takes bursts of {DEFAULT_POST_BURST:.0f} by default. "
            "Expect rejections, or add viewers, or raise its --post-burst."
        )
    if each > allowed:
        return (
            f"Each of {posters:,} viewers posts {each:.1f} times a second; "
            f"a server takes {DEFAULT_POST_RATE:.0f} by default. "
            "Expect rejections, or add viewers, or raise its --post-rate."
        )
    return None
