"""Detects an overloaded event loop, by a timer that measures how late it is called."""

from __future__ import annotations

import asyncio

INTERVAL_SECONDS = 0.25
OVERLOADED_SECONDS = 0.5
RECOVERED_SECONDS = 0.1


class LoadMonitor:
    """Measures the event loop's lag. Posts are rejected with ``busy`` while it is overloaded.

    Overloaded when the lag exceeds ``OVERLOADED_SECONDS`` twice in a row, until it is below
    ``RECOVERED_SECONDS`` again. A single pause, such as one of the machine's, is no overload: it
    is over when it is noticed.
    """

    def __init__(self) -> None:
        self.is_overloaded = False
        self._was_late = False
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + INTERVAL_SECONDS
        self._timer = loop.call_at(self._due, self._measure)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _measure(self) -> None:
        lag = asyncio.get_running_loop().time() - self._due
        is_late = lag >= OVERLOADED_SECONDS
        if is_late and self._was_late:
            self.is_overloaded = True
        elif lag < RECOVERED_SECONDS:
            self.is_overloaded = False
        self._was_late = is_late
        self.start()
