"""A minimal event loop: epoll, timers in nanoseconds, one handler per descriptor.

asyncio and Tornado cost ten times the read itself, and the tester must be cheaper than what it
measures. epoll's own time-out counts milliseconds, too coarse for a schedule, so waiting is done by
select() on the epoll.
"""

from __future__ import annotations

import heapq
import itertools
import select
import time
from collections.abc import Callable

Handler = Callable[[int], None]
EVENTS_AT_ONCE = 256  # this many reads take about a millisecond, and so late can a timer be

READ, WRITE = select.EPOLLIN, select.EPOLLOUT


def _ignore(event: int) -> None:
    """Handle an event of a descriptor that was closed by another handler of the same pass."""


class Loop:
    """Calls handlers and timers, one after the other."""

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.handlers: dict[int, Handler] = {}
        self.timers: list[tuple[int, int, Callable[[], None]]] = []
        self.tiebreak = itertools.count()

    def watch(self, descriptor: int, handler: Handler, events: int) -> None:
        """Call `handler` for `events` of a descriptor from now on."""
        known = descriptor in self.handlers
        self.handlers[descriptor] = handler
        (self.epoll.modify if known else self.epoll.register)(descriptor, events)

    def unwatch(self, descriptor: int) -> None:
        if self.handlers.pop(descriptor, None):
            self.epoll.unregister(descriptor)

    def call_at(self, when: int, call: Callable[[], None]) -> None:
        """Call once at `when` (CLOCK_MONOTONIC, ns), or right after the events if that is past."""
        heapq.heappush(self.timers, (when, next(self.tiebreak), call))

    def call_in(self, seconds: float, call: Callable[[], None]) -> None:
        self.call_at(time.monotonic_ns() + round(seconds * 1e9), call)

    def run(self, finished: Callable[[], bool]) -> None:
        """Run until `finished` returns True; it is called after each pass."""
        poll, find_handler, clock = self.epoll.poll, self.handlers.get, time.monotonic_ns
        descriptor = (self.epoll.fileno(),)
        while not finished():
            ready = poll(0, EVENTS_AT_ONCE)
            if not ready:
                wait = (self.timers[0][0] - clock()) / 1e9 if self.timers else 1.0
                if wait > 0:
                    select.select(descriptor, (), (), wait)
                    ready = poll(0, EVENTS_AT_ONCE)
            for number, event in ready:
                find_handler(number, _ignore)(event)
            now = clock()
            while self.timers and self.timers[0][0] <= now:
                heapq.heappop(self.timers)[2]()
