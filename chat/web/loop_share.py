"""Bounds how long messages of viewers are handled in one iteration of the event loop.

Each connection has a budget, but many connections may use theirs at the same moment. What is over
the share waits for the next iterations, one message of each connection in turn, so that waves,
timers and requests of others run in between.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

SHARE_SECONDS = 0.01
TURNS_PER_ITERATION = 32


class LoopShare:
    """The connections that wait for their turn, first in, first out.

    ``seconds`` is the share, measured by ``monotonic``. A message that arrives once it is used up
    waits for the next iteration, where a new share begins. Under steady traffic that is one message
    in ``seconds``; nothing is scheduled for the others. Of those that wait, ``TURNS_PER_ITERATION``
    continue in an iteration, each with one message at least.
    """

    __slots__ = ("_asked_at", "_ends", "_is_scheduled", "_monotonic", "_seconds", "_waiting")

    def __init__(self, monotonic: Callable[[], float], seconds: float = SHARE_SECONDS) -> None:
        self._monotonic = monotonic
        self._seconds = seconds
        self._asked_at = -math.inf
        self._ends = 0.0
        self._is_scheduled = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self) -> asyncio.Future[None] | None:
        """Return what to await before a message is handled; None if it may be handled now."""
        now = self._monotonic()
        was_idle = now - self._asked_at > self._seconds
        self._asked_at = now
        if was_idle and not self._is_scheduled:
            # A message may take longer than the share: the next must not look idle, too.
            self._ends = now + self._seconds
            self._schedule()
        if now < self._ends:
            return None
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        if not self._is_scheduled:
            self._schedule()
        return waiter

    def _schedule(self) -> None:
        self._is_scheduled = True
        asyncio.get_running_loop().call_soon(self._begin_iteration)

    def _begin_iteration(self) -> None:
        turns = TURNS_PER_ITERATION
        while self._waiting and turns:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                turns -= 1
        self._is_scheduled = False
        self._ends = self._monotonic() + self._seconds
        if self._waiting:
            self._schedule()
