"""Lets requests begin in order, a few in each iteration of the event loop.

Without it, all requests that have arrived on many connections would be processed in one iteration,
and everything else would wait for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable

REQUESTS_PER_ITERATION = 8


class RequestQueue:
    """The requests that wait for their iteration, first in, first out."""

    def __init__(self, per_iteration: int = REQUESTS_PER_ITERATION) -> None:
        self._per_iteration = per_iteration
        self._left = per_iteration
        self._is_scheduled = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self) -> Awaitable[None] | None:
        """Return what to await before a request begins; None if it may begin now."""
        loop = asyncio.get_running_loop()
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._begin_iteration)
        if self._left:
            self._left -= 1
            return None
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiting.append(waiter)
        return waiter

    def _begin_iteration(self) -> None:
        self._left = self._per_iteration
        while self._left and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._left -= 1
        self._is_scheduled = self._left < self._per_iteration
        if self._is_scheduled:
            asyncio.get_running_loop().call_soon(self._begin_iteration)
