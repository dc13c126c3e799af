"""When each comment of a run is due, and its text. Pure: no clock, no randomness.

The schedule is open loop: it is fixed before the first comment is sent, and latency counts from the
time at which a comment was due. So a stall, of the server or of the tester, makes every comment of
the stall late instead of lowering the load ("coordinated omission", Gil Tene).
"""

from __future__ import annotations

from chat.loadtest.options import Options

SECOND = 1_000_000_000
BURST_FACTOR = 100
TEXT_LENGTH = 100  # ASCII: as many bytes and graphemes, the most that the wire allows in graphemes
PADDING = (
    "now that was a play to remember, again from the other side please, and once more slowly " * 2
)
# The server's default rate limit of one sender.
DEFAULT_POST_RATE, DEFAULT_POST_BURST = 1.0, 5.0


def schedule_posts(options: Options) -> list[int]:
    """Return when comments are due, in ns after the start, in order."""
    if options.profile != "burst":
        return _spread(options.rate, 0.0, options.duration)
    burst = options.duration / 2 - 0.5
    return (
        _spread(options.rate, 0.0, burst)
        + _spread(options.rate * BURST_FACTOR, burst, burst + 1)
        + _spread(options.rate, burst + 1, options.duration)
    )


def _spread(rate: float, begin: float, end: float) -> list[int]:
    count = round(rate * (end - begin))
    return [round((begin + number / rate) * SECOND) for number in range(count)]


def write_text(run: str, number: int, due: int) -> str:
    """Return a comment: its run, its number, when it was due (CLOCK_MONOTONIC, ns), padding."""
    return f"load {run} {number} {due} {PADDING}"[:TEXT_LENGTH].rstrip()


def read_text(text: str, run: str) -> tuple[int, int] | None:
    """Return the number and due time of a comment of this run; None for any other comment."""
    words = text.split(" ", 4)
    if len(words) < 4 or words[0] != "load" or words[1] != run:
        return None
    try:
        return int(words[2]), int(words[3])
    except ValueError:
        return None


def foresee_rejections(options: Options) -> str | None:
    """Return a warning if each viewer would post above the server's default rate limit."""
    posters = options.viewers - options.slow_viewers
    if not posters or not options.rate:
        return None
    each, limit, when, flag = options.rate / posters, DEFAULT_POST_RATE, "", "--post-rate"
    is_too_fast = each > DEFAULT_POST_RATE + DEFAULT_POST_BURST / options.duration
    if options.profile == "burst" and each * BURST_FACTOR > DEFAULT_POST_BURST + DEFAULT_POST_RATE:
        is_too_fast, each, limit = True, each * BURST_FACTOR, DEFAULT_POST_BURST
        when, flag = " in the burst", "--post-burst"
    sentence = (
        f"Each of {posters:,} viewers posts {each:.1f} times a second{when}; a server accepts "
        f"{limit:.0f} by default. Expect rejections, or add viewers, or raise its {flag}."
    )
    return sentence if is_too_fast else None
