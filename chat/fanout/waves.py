"""Schedules and runs the waves of all rooms, in slices.

A wave is one pass over a room's viewers. Its entries are encoded, framed and, for viewers that
negotiated it, compressed once; each viewer that keeps up then costs one ``send``. Nothing here
awaits, and nothing is allocated per viewer on the common path.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Generator

import msgspec

from chat.core import pace
from chat.environment import SYSTEM_CLOCK, Clock
from chat.fanout.audience import Audience
from chat.metrics import Metrics

_log = logging.getLogger(__name__)

Wave = Generator[None, None, None]


class _Timing(msgspec.Struct):
    """The start and length of a room's last wave in seconds, and the timer of the next."""

    started_at: float = 0.0
    length: float = 0.0
    is_running: bool = False
    timer: asyncio.TimerHandle | None = None

    def cancel(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class Fanout:
    """Runs the waves of all rooms in slices, so that no room starves another.

    All times are in seconds. ``gap``: the minimum between the starts of two waves of a room;
    ``slice_seconds``: after which a wave yields to the loop; ``refresh_seconds``: after which a
    wave also sends entries that arrived since; ``retry_seconds``: after which a failed wave is
    repeated.
    """

    def __init__(
        self,
        metrics: Metrics,
        gap: float,
        *,
        slice_seconds: float = 0.004,
        refresh_seconds: float = pace.REFRESH_SECONDS,
        retry_seconds: float = 1.0,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._metrics = metrics
        self._read_clock = clock.monotonic
        self._gap = gap
        self._slice_seconds = slice_seconds
        self._refresh_seconds = refresh_seconds
        self._retry_seconds = retry_seconds
        self._waves: deque[tuple[Audience, Wave]] = deque()
        self._timings: dict[Audience, _Timing] = {}
        self._is_flushing = False
        self._idle = asyncio.Event()
        self._idle.set()

    def schedule(self, audience: Audience) -> None:
        """Schedule a room's next wave as soon as its pace allows, if there is anything to send."""
        timing = self._timings.get(audience)
        if timing is None:
            timing = self._timings[audience] = _Timing()
        if timing.is_running:
            return  # a wave that ends schedules the next
        if waiting := audience.count_waiting():
            at = pace.next_wave_at(timing.started_at, timing.length, self._gap, waiting)
        elif audience.count_is_stale and not self._is_flushing:
            at = audience.count_due_at
        else:
            return
        delay = at - self._read_clock()
        if delay <= 0 or self._is_flushing:
            self._begin(audience, timing)
            return
        loop = asyncio.get_running_loop()
        if timing.timer is not None:
            if timing.timer.when() <= loop.time() + delay:
                return
            timing.timer.cancel()
        timing.timer = loop.call_later(delay, self._reschedule, audience, timing)

    def forget(self, audience: Audience) -> None:
        """Cancel the waves of a room that is being closed."""
        timing = self._timings.pop(audience, None)
        if timing is not None:
            timing.cancel()

    async def flush(self) -> None:
        """Run the scheduled waves now, and later ones at once, to stop the server."""
        self._is_flushing = True
        for audience, timing in list(self._timings.items()):
            if timing.timer is not None:
                self._reschedule(audience, timing)
        await self._idle.wait()

    def _reschedule(self, audience: Audience, timing: _Timing) -> None:
        # More entries may be waiting now, which can mean a longer gap.
        timing.cancel()
        self.schedule(audience)

    def _begin(self, audience: Audience, timing: _Timing) -> None:
        timing.cancel()
        timing.is_running = True
        if not self._waves:
            self._idle.clear()
            asyncio.get_running_loop().call_soon(self._step)
        self._waves.append((audience, self._run(audience, timing)))

    def _step(self) -> None:
        # One slice of one wave; the loop handles other events before the next.
        audience, wave = self._waves[0]
        try:
            next(wave)
            self._waves.rotate(-1)
        except StopIteration:
            self._waves.popleft()
        except Exception:
            # A bug in one room's wave must neither stop the others nor this room permanently.
            _log.exception("a wave failed")
            self._waves.popleft()
            self._retry(audience)
        if self._waves:
            asyncio.get_running_loop().call_soon(self._step)
        else:
            self._idle.set()

    def _retry(self, audience: Audience) -> None:
        timing = self._timings.get(audience)
        if timing is not None:
            timing.is_running = False
            timing.timer = asyncio.get_running_loop().call_later(
                self._retry_seconds, self._reschedule, audience, timing
            )

    def _run(self, audience: Audience, timing: _Timing) -> Wave:
        started = self._read_clock()
        if has_viewers := audience.begin_wave(started):
            yield from self._send(audience, started)
        if has_entries := audience.pollers.notified_head != audience.wave_head:
            yield from audience.pollers.notify(audience.wave_head)
        if has_viewers or has_entries:
            timing.started_at = started
            timing.length = self._read_clock() - started
        if has_viewers:
            self._metrics.wave_seconds.observe(timing.length)
        timing.is_running = False
        if audience in self._timings:
            self.schedule(audience)

    def _send(self, audience: Audience, selected_at: float) -> Wave:
        slice_ends = self._read_clock() + self._slice_seconds
        for _ in audience.send_steps():
            now = self._read_clock()
            if now > slice_ends:
                yield
                now = self._read_clock()
                if now - selected_at >= self._refresh_seconds:
                    audience.select_more(now)
                    selected_at = now
                slice_ends = now + self._slice_seconds
