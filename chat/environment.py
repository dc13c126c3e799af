"""The clocks and the random numbers that the parts of the server use, which get them as arguments.

``app.py`` passes on the machine's own; a simulation passes on others, and then repeats itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import msgspec


def _read_unix_ms() -> int:
    return time.time_ns() // 1_000_000


class Clock(msgspec.Struct, frozen=True):
    """``monotonic``: seconds, on the event loop's clock. ``unix_ms``: Unix milliseconds.

    The operator may set the second one, so that it goes back.
    """

    monotonic: Callable[[], float] = time.monotonic
    unix_ms: Callable[[], int] = _read_unix_ms


SYSTEM_CLOCK = Clock()
SYSTEM_RANDOM: random.Random = random.SystemRandom()
"""Numbers that nobody can predict: ids and epochs are drawn from it."""
