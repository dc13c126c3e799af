"""Fan-out: one ready piece of bytes per wave, one send per viewer.

A wave is one pass over a room's viewers. What the room has to tell (new entries, a new viewer
count) is encoded and framed once; each viewer that stands at the head costs one ``send``. A viewer
is a cursor, not a queue: one that lags is left alone until its socket drains, and gets its own
range then. Nothing here awaits, and nothing is allocated per viewer on the way that all take.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Generator
from typing import Protocol

from chat.core import pace, wire
from chat.core.frames import TEXT, build_frame
from chat.core.history import History
from chat.metrics import Metrics

SLICE_SECONDS = 0.004
SLICE_CHECK_MASK = 0x3F
COUNT_SECONDS = 1.0
POLLER_SECONDS = 10.0
BATCH_LIMIT = 512
PIECE_LIMIT = 1_024

_log = logging.getLogger(__name__)


class Viewer(Protocol):
    """What the fan-out knows of a viewer with a long-lived connection.

    ``cursor`` is the seq of the last entry handed to the connection. While ``ready``, nothing
    waits in front of the socket, and ``send`` hands bytes to the kernel and returns how many it
    took, raising BlockingIOError or another OSError as ``socket.send`` does.
    """

    cursor: int
    ready: bool
    send: Callable[[bytes], int]

    def spill(self, tail: memoryview) -> None:
        """Write what the kernel did not take, in order; ``ready`` is False until it drained."""

    def abandon(self) -> None:
        """Let a broken connection go."""


class Audience:
    """The viewers of one room in this process, and where its waves stand."""

    def __init__(self, fanout: Fanout, epoch: str, history: History) -> None:
        self.epoch = epoch
        self.history = history
        self.viewers: dict[Viewer, None] = {}
        self.paused: dict[Viewer, None] = {}
        self.waiters: set[asyncio.Future[None]] = set()
        self._pollers: dict[object, float] = {}
        self.sent = history.head
        self.last_start = 0.0
        self.last_length = 0.0
        self._fanout = fanout
        self.count_told = 0
        self._count_told_at = 0.0
        self._pieces: dict[int, tuple[bytes, int]] = {}
        self._pieces_head = 0

    def __len__(self) -> int:
        return len(self.viewers) + len(self.paused) + len(self._pollers)

    def add(self, viewer: Viewer, cursor: int) -> None:
        """Let a viewer in that has everything up to ``cursor``."""
        viewer.cursor = cursor
        self.viewers[viewer] = None
        self.recount()

    def remove(self, viewer: Viewer) -> None:
        """Let a viewer go."""
        self.viewers.pop(viewer, None)
        self.paused.pop(viewer, None)
        self.recount()

    def pause(self, viewer: Viewer) -> None:
        """Deliver nothing to a viewer: it is no part of a wave until it resumes."""
        if viewer in self.viewers:
            del self.viewers[viewer]
            self.paused[viewer] = None

    def resume(self, viewer: Viewer) -> None:
        """Deliver to a paused viewer again, from its own cursor."""
        if viewer in self.paused:
            del self.paused[viewer]
            self.viewers[viewer] = None
            self.serve(viewer)

    def mark(self) -> None:
        """There are new entries: have a wave as soon as the room's pace allows."""
        now = time.monotonic()
        at = pace.next_wave_at(self.last_start, self.last_length, self._fanout.gap)
        self._fanout.schedule(self, at - now)

    def recount(self) -> None:
        """The number of viewers changed: tell it with the next wave, or in one of its own."""
        self._fanout.schedule(self, self._count_told_at + COUNT_SECONDS - time.monotonic())

    def serve(self, viewer: Viewer, news: bytes = b"") -> int:
        """Send one viewer that stands elsewhere its own range; return how many entries."""
        if not viewer.ready:
            return 0
        before = viewer.cursor
        piece, viewer.cursor = self.piece_after(before)
        if news or piece:
            push(viewer, news + piece)
        if viewer.cursor < self.history.head and viewer.ready:
            self.mark()
        return viewer.cursor - before

    def piece_after(self, cursor: int) -> tuple[bytes, int]:
        """Return the frames that lead on from a cursor, and the cursor after them.

        They are built once for all who stand at the same place.
        """
        head = self.history.head
        if cursor == head:
            return b"", head
        if self._pieces_head != head or len(self._pieces) >= PIECE_LIMIT:
            self._pieces.clear()
            self._pieces_head = head
        made = self._pieces.get(cursor)
        if made is None:
            made = self._pieces[cursor] = self._build_piece(cursor, head)
        return made

    def _build_piece(self, cursor: int, head: int) -> tuple[bytes, int]:
        history = self.history
        skip = b""
        if pace.judge(cursor, history.first) is pace.Verdict.SKIP:
            self._fanout.metrics.skipped.inc(history.first - 1 - cursor)
            skip = frame(wire.encode(wire.Skip(cursor + 1, history.first - 1, "slow")))
            cursor = history.first - 1
        last = min(head, cursor + BATCH_LIMIT)
        bodies = history.slice(cursor + 1, last)
        return skip + frame(wire.encode_batch(self.epoch, cursor + 1, last, bodies)), last

    def take_news(self, now: float) -> bytes:
        """Return the frame that tells the viewer count, when it changed and it is time again."""
        count = len(self)
        if count == self.count_told or now < self._count_told_at + COUNT_SECONDS:
            return b""
        self.count_told, self._count_told_at = count, now
        return frame(wire.encode(wire.Viewers(count)))

    def note_poller(self, poller: object, until: float) -> None:
        """Count somebody who polls as a viewer until a while after ``until``."""
        self._pollers[poller] = until + POLLER_SECONDS
        self.recount()

    def forget_pollers(self, now: float) -> None:
        """Count those no more who have stopped to poll."""
        gone = [poller for poller, until in self._pollers.items() if until < now]
        for poller in gone:
            del self._pollers[poller]
        if gone:
            self.recount()

    async def wait_for_news(self, seconds: float) -> None:
        """Return with the next wave that has entries, or when the time is up."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            self.waiters.discard(waiter)

    def release_waiters(self) -> None:
        """Wake the long polls: there is something after their cursor."""
        waiters, self.waiters = self.waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


class Fanout:
    """Runs the waves of all rooms of this process, in slices, so that no room starves another."""

    def __init__(self, metrics: Metrics, gap: float) -> None:
        self.metrics = metrics
        self.gap = gap
        self._waves: deque[tuple[Audience, Generator[None, None, None]]] = deque()
        self._timers: dict[Audience, asyncio.TimerHandle] = {}
        self._under_way: set[Audience] = set()
        self._settled = asyncio.Event()
        self._settled.set()

    def schedule(self, audience: Audience, delay: float) -> None:
        """Have a wave after ``delay`` seconds, at once when that is past; the earliest wins."""
        if audience in self._under_way:
            return  # a wave that ends looks for what came meanwhile
        if delay <= 0:
            self._begin(audience)
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(audience)
        if timer is not None:
            if timer.when() <= loop.time() + delay:
                return
            timer.cancel()
        self._timers[audience] = loop.call_later(delay, self._begin, audience)

    def forget(self, audience: Audience) -> None:
        """Drop what is planned for a room that closes."""
        timer = self._timers.pop(audience, None)
        if timer is not None:
            timer.cancel()

    async def settle(self) -> None:
        """Send what is planned now instead of later, and wait for it; for the server's end."""
        for audience in list(self._timers):
            self._begin(audience)
        await self._settled.wait()

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
            # A bug in one room's wave must not silence the others.
            _log.exception("a wave failed")
            self._under_way.discard(audience)
            self._waves.popleft()
        if self._waves:
            asyncio.get_running_loop().call_soon(self._step)
        else:
            self._settled.set()

    def _wave(self, audience: Audience) -> Generator[None, None, None]:
        started = slice_started = time.monotonic()
        base = audience.sent
        piece, taken = (
            audience.piece_after(base) if audience.viewers else (b"", audience.history.head)
        )
        audience.sent = taken
        if taken != base:
            audience.release_waiters()
        news = audience.take_news(started)
        whole = news + piece
        if whole:
            audience.last_start = started
            sends = elsewhere = 0
            size = len(whole)
            for place, viewer in enumerate(list(audience.viewers)):
                if viewer.ready:
                    if viewer.cursor == base:
                        viewer.cursor = taken
                        sends += 1
                        try:
                            accepted = viewer.send(whole)
                        except BlockingIOError:
                            accepted = 0
                        except OSError:
                            viewer.abandon()
                            continue
                        if accepted != size:
                            viewer.spill(memoryview(whole)[accepted:])
                    else:
                        elsewhere += audience.serve(viewer, news)
                if (
                    not place & SLICE_CHECK_MASK
                    and time.monotonic() > slice_started + SLICE_SECONDS
                ):
                    yield
                    slice_started = time.monotonic()
            audience.last_length = time.monotonic() - started
            self.metrics.deliveries.inc(sends * (taken - base) + elsewhere)
            self.metrics.wave_seconds.observe(audience.last_length)
        self._under_way.discard(audience)
        if audience.sent < audience.history.head:
            audience.mark()
        elif len(audience) != audience.count_told:
            audience.recount()


def push(viewer: Viewer, data: bytes) -> None:
    """Hand bytes to a viewer that is ready."""
    try:
        accepted = viewer.send(data)
    except BlockingIOError:
        accepted = 0
    except OSError:
        viewer.abandon()
        return
    if accepted != len(data):
        viewer.spill(memoryview(data)[accepted:])


def frame(payload: bytes) -> bytes:
    """Frame a message as every viewer gets it."""
    return build_frame(TEXT, payload)
