"""The viewers that poll: counted as viewers, and woken when there are new entries."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator

POLLER_SECONDS = 10.0
POLLER_LIMIT = 20_000
WAKE_LIMIT = 16


class Pollers:
    """The pollers of one room. ``notified_head`` is the seq up to which long polls were woken."""

    def __init__(self, head: int, limit: int = POLLER_LIMIT) -> None:
        self.notified_head = head
        self._limit = limit
        # When each poller stops being counted; infinity while one of its polls waits.
        self._until: dict[object, float] = {}
        self._polls: dict[object, int] = {}
        self._waiters: set[asyncio.Future[None]] = set()

    def __len__(self) -> int:
        return len(self._until)

    def begin_poll(self, poller: object) -> bool:
        """Count a poller as a viewer from now on; return whether it is new.

        Above the limit a new poller is answered, but not counted.
        """
        is_new = poller not in self._until
        if is_new and len(self._until) >= self._limit:
            return False
        self._until[poller] = math.inf
        self._polls[poller] = self._polls.get(poller, 0) + 1
        return is_new

    def end_poll(self, poller: object, now: float) -> None:
        """Record the end of a poll; the poller is counted for ``POLLER_SECONDS`` longer."""
        polls = self._polls.pop(poller, 0) - 1
        if polls > 0:
            self._polls[poller] = polls
        elif polls == 0:
            self._until[poller] = now + POLLER_SECONDS

    def drop_expired(self, now: float) -> bool:
        """Stop counting pollers that have stopped polling; return whether there were any."""
        expired = [poller for poller, until in self._until.items() if until < now]
        for poller in expired:
            del self._until[poller]
        return bool(expired)

    async def wait(self, seconds: float) -> None:
        """Return with the next wave that has entries, or when the time is up."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)

    def notify(self, head: int) -> Iterator[None]:
        """Wake the long polls, a few at each step: each then costs a whole HTTP response."""
        self.notified_head = head
        waiters, self._waiters = self._waiters, set()
        for number, waiter in enumerate(waiters, 1):
            if not waiter.done():
                waiter.set_result(None)
            if not number % WAKE_LIMIT:
                yield
