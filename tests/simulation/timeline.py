"""Virtual time: the events of a simulated world, and the processes that run in it.

Nothing here reads a real clock. Time goes from one event to the next, so a day in which nothing
happens costs nothing.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.loop import SimulatedLoop


STEPS_PER_LOOK = 32


class Deadlock(Exception):
    """Nothing will ever happen again, although the end was not reached."""


class Event:
    """Something that happens at a certain time, unless it is cancelled."""

    __slots__ = ("action", "arguments", "at", "serial")

    def __init__(self, at: float, serial: int, action: Callable[..., None], arguments: Any) -> None:
        self.at = at
        self.serial = serial
        self.action: Callable[..., None] | None = action
        self.arguments = arguments

    def __lt__(self, other: Event) -> bool:
        return (self.at, self.serial) < (other.at, other.serial)

    def cancel(self) -> None:
        self.action = None


class Timeline:
    """The time of one world. ``random`` makes every choice that the plan of the day leaves open.

    ``trace`` is a hash of everything that happened: two runs of a seed have the same one.
    ``callbacks`` counts the callbacks of all processes.
    """

    def __init__(self, random: Random) -> None:
        self.now = 0.0
        self.random = random
        self.processes: list[SimulatedLoop] = []
        self.callbacks = 0
        self._events: list[Event] = []
        self._serial = 0
        self._hash = hashlib.blake2b(digest_size=16)
        self.log: list[str] | None = None

    @property
    def trace(self) -> str:
        return self._hash.hexdigest()

    def record(self, what: str, *details: object) -> None:
        """Add something that happened to the trace."""
        line = f"{self.now:.6f} {what} {details}"
        self._hash.update(line.encode())
        if self.log is not None:
            self.log.append(line)

    def at(self, when: float, action: Callable[..., None], *arguments: Any) -> Event:
        """Call an action at a time, or now if it has passed."""
        self._serial += 1
        event = Event(max(when, self.now), self._serial, action, arguments)
        if when < math.inf:
            heapq.heappush(self._events, event)
        return event

    def run_until(self, is_done: Callable[[], bool], limit: float) -> bool:
        """Go on until ``is_done``; return False if ``limit`` comes first.

        It is asked now and then: asking costs more than most callbacks.
        """
        while not is_done():
            try:
                for _ in range(STEPS_PER_LOOK):
                    if not self._step(limit):
                        return is_done()
            except Deadlock:
                if not is_done():
                    raise
        return True

    def _step(self, limit: float) -> bool:
        """Let the next thing happen, unless it is after ``limit``."""
        events = self._events
        while events and events[0].action is None:
            heapq.heappop(events)
        at = other_at = math.inf
        runner = None
        for process in self.processes:
            ready_at = process.ready_at()
            if ready_at < at:
                other_at, at, runner = at, ready_at, process
            elif ready_at < other_at:
                other_at = ready_at
        event_at = events[0].at if events else math.inf
        if event_at == at == math.inf:
            raise Deadlock("no event, no timer and no callback is left")
        if min(event_at, at) > limit:
            self.now = max(self.now, limit)
            return False
        if event_at <= at:
            event = heapq.heappop(events)
            self.now = max(self.now, event_at)
            assert event.action is not None
            event.action(*event.arguments)
        else:
            assert runner is not None
            self._run(runner, at, min(other_at, limit))
        return True

    def _run(self, process: SimulatedLoop, at: float, until: float) -> None:
        """Run callbacks of a process until something else comes first."""
        events = self._events
        while True:
            if at > self.now:
                self.now = at
            self.callbacks += 1
            process.run_one()
            if not process.is_in_iteration:
                break
            at = process.free_at
            if at > until or (events and events[0].at <= at):
                break
