"""Fan-out: the waves of all rooms of this process.

A wave is one pass over a room's viewers. What the room has to tell is encoded, framed and, for
those who asked for it, compressed once; each viewer that keeps up then costs one ``send``. Nothing
here awaits, and nothing is allocated per viewer on the way that all take.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Generator

from chat.core import pace
from chat.fanout.audience import Audience
from chat.metrics import Metrics

SLICE_SECONDS = 0.004
RETRY_SECONDS = 1.0

_log = logging.getLogger(__name__)


class Fanout:
    """Runs the waves in slices, so that no room starves another.

    ``gap`` is the least time between two waves of a room, in seconds.
    """

    def __init__(self, metrics: Metrics, gap: float) -> None:
        self._metrics = metrics
        self._gap = gap
        self._waves: deque[tuple[Audience, Generator[None, None, None]]] = deque()
        self._timers: dict[Audience, asyncio.TimerHandle] = {}
        self._under_way: set[Audience] = set()
        self._is_settling = False
        self._settled = asyncio.Event()
        self._settled.set()

    def plan(self, audience: Audience) -> None:
        """Have a wave for a room as soon as its pace allows, when there is anything for one."""
        if audience in self._under_way:
            return  # a wave that ends looks for what came meanwhile
        if waiting := audience.count_waiting():
            at = pace.next_wave_at(audience.last_start, audience.last_length, self._gap, waiting)
        elif audience.is_miscounted() and not self._is_settling:
            at = audience.count_due_at()
        else:
            return
        delay = at - time.monotonic()
        if delay <= 0 or self._is_settling:
            self._begin(audience)
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(audience)
        if timer is not None:
            if timer.when() <= loop.time() + delay:
                return
            timer.cancel()
        self._timers[audience] = loop.call_later(delay, self._plan_again, audience)

    def forget(self, audience: Audience) -> None:
        """Drop what is planned for a room that closes."""
        timer = self._timers.pop(audience, None)
        if timer is not None:
            timer.cancel()

    async def settle(self) -> None:
        """Send now what is planned for later, and all that follows; for the server's end."""
        self._is_settling = True
        for audience in list(self._timers):
            self._plan_again(audience)
        await self._settled.wait()

    def _plan_again(self, audience: Audience) -> None:
        # With what is there by now, which may be worth a little more patience.
        self.forget(audience)
        self.plan(audience)

    def _begin(self, audience: Audience) -> None:
        self.forget(audience)
        self._under_way.add(audience)
        if not self._waves:
            self._settled.clear()
            asyncio.get_running_loop().call_soon(self._step)
        self._waves.append((audience, self._wave(audience)))

    def _step(self) -> None:
        # One slice of one room's wave; the loop has its turn before the next.
        audience, wave = self._waves[0]
        try:
            next(wave)
            self._waves.rotate(-1)
        except StopIteration:
            self._waves.popleft()
        except Exception:
            # A bug in one room's wave must not silence the others, nor that room for ever.
            _log.exception("a wave failed")
            self._under_way.discard(audience)
            self._waves.popleft()
            self._timers[audience] = asyncio.get_running_loop().call_later(
                RETRY_SECONDS, self._plan_again, audience
            )
        if self._waves:
            asyncio.get_running_loop().call_soon(self._step)
        else:
            self._settled.set()

    def _wave(self, audience: Audience) -> Generator[None, None, None]:
        started = time.monotonic()
        if is_telling := audience.begin_wave(started):
            yield from self._send(audience)
        if brings_entries := audience.woken != audience.sent:
            yield from audience.release_waiters()
        if is_telling or brings_entries:
            audience.last_start = started
            audience.last_length = time.monotonic() - started
        if is_telling:
            self._metrics.wave_seconds.observe(audience.last_length)
        self._under_way.discard(audience)
        self.plan(audience)

    def _send(self, audience: Audience) -> Generator[None, None, None]:
        slice_ends = time.monotonic() + SLICE_SECONDS
        for _ in audience.pass_on():
            now = time.monotonic()
            if now > slice_ends:
                yield
                now = time.monotonic()
                audience.take_up_more(now)
                slice_ends = now + SLICE_SECONDS
