"""The audience of a room: its viewers in this process, and the bytes that lead each of them on.

A viewer is a cursor, not a queue: one that lags is left alone until its socket drains, and gets its
own range then. The room's history is the only buffer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from msgspec import Raw

from chat.core import pace, wire
from chat.core.frames import TEXT, build_compressed, build_frame
from chat.core.history import History
from chat.core.thinning import Allowance, choose_left_out
from chat.metrics import Metrics

COUNT_SECONDS = 1.0
POLLER_SECONDS = 10.0
BATCH_LIMIT = 512
BATCH_BYTES = 192 * 1_024
PIECE_LIMIT = 1_024
RECENT_COUNTS = 4

PLAIN = 0
DEFLATE = 1

Variants = tuple[bytes, bytes]
"""The same frames, plain and compressed; the second is the first where nobody wants it."""


class Wave(NamedTuple):
    """What one wave sends: to those who stand at ``base`` all of it, to the others the news."""

    base: int
    taken: int
    whole: Variants
    news: bytes


class Viewer(Protocol):
    """What the fan-out knows of a viewer with a long-lived connection.

    ``cursor`` is the seq of the last entry handed to the connection, ``variant`` is PLAIN or
    DEFLATE. While ``ready``, nothing waits in front of the socket, and ``send`` hands bytes to the
    kernel and returns how many it took, raising BlockingIOError or another OSError as
    ``socket.send`` does.
    """

    cursor: int
    variant: int
    ready: bool
    send: Callable[[bytes], int]

    def spill(self, tail: memoryview) -> None:
        """Write what the kernel did not take, in order; ``ready`` is False until it drained."""

    def abandon(self) -> None:
        """Let a broken connection go."""


class Audience:
    """The viewers of one room in this process, and where its waves stand.

    ``sent`` is the seq that the last wave reached: nobody is led beyond it but by a wave, since a
    wave decides what of a flood is left out, and decides it for all. ``plan`` is called when there
    is something for a wave.
    """

    def __init__(
        self,
        epoch: str,
        history: History,
        plan: Callable[[Audience], None],
        metrics: Metrics,
        delivery_rate: float,
    ) -> None:
        self.epoch = epoch
        self.history = history
        self.viewers: dict[Viewer, None] = {}
        self.paused: dict[Viewer, None] = {}
        self.waiters: set[asyncio.Future[None]] = set()
        self.sent = history.head
        self.last_start = 0.0
        self.last_length = 0.0
        self._plan = plan
        self._metrics = metrics
        self._allowance = Allowance(delivery_rate)
        self._left_out: set[int] = set()
        self._pollers: dict[object, float] = {}
        self._deflaters = 0
        self._count_told = 0
        self._count_told_at = 0.0
        self._pieces: dict[int, tuple[Variants, int]] = {}
        self._recent: dict[int, Raw] = {}
        self._recent_span = (0, 0)

    def __len__(self) -> int:
        return len(self.viewers) + len(self.paused) + len(self._pollers)

    # --- who is there ---------------------------------------------------------------------------

    def add(self, viewer: Viewer, cursor: int) -> None:
        """Let a viewer in that has everything up to ``cursor``."""
        viewer.cursor = cursor
        self.viewers[viewer] = None
        self._deflaters += viewer.variant
        self._plan(self)

    def remove(self, viewer: Viewer) -> None:
        """Let a viewer go; nothing happens when it has gone already."""
        if viewer in self.viewers or viewer in self.paused:
            self.viewers.pop(viewer, None)
            self.paused.pop(viewer, None)
            self._deflaters -= viewer.variant
            self._plan(self)

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
            if viewer.ready and viewer.cursor < self.history.first - 1:
                skip = self._build_skip(viewer.cursor, "trimmed")
                viewer.cursor = self.history.first - 1
                push(viewer, skip)
            self.serve(viewer)

    def note_poller(self, poller: object, until: float) -> None:
        """Count somebody who polls as a viewer until a while after ``until``."""
        is_new = poller not in self._pollers
        self._pollers[poller] = until + POLLER_SECONDS
        if is_new:
            self._plan(self)

    def forget_pollers(self, now: float) -> None:
        """Count those no more who have stopped to poll."""
        gone = [poller for poller, until in self._pollers.items() if until < now]
        for poller in gone:
            del self._pollers[poller]
        if gone:
            self._plan(self)

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

    # --- what they are sent ---------------------------------------------------------------------

    def mark(self) -> None:
        """There are new entries in the history."""
        self._plan(self)

    def is_behind(self) -> bool:
        """Tell whether there is something for another wave."""
        return self.sent < self.history.head

    def prepare_wave(self, now: float) -> Wave | None:
        """Move ``sent`` on and return what leads from the old one to the new; None for nothing."""
        base, head = self.sent, self.history.head
        self._pieces.clear()
        if not self.viewers:
            self.sent = head
            self._count_told = len(self)
            return None
        # Where waves took so long that the history has moved on, the wave begins where it does.
        start = max(base, self.history.first - 1)
        self.sent = min(head, start + BATCH_LIMIT)
        if start != self.sent:
            self._thin(start + 1, self.sent, now)
        piece, self.sent = self._piece_after(base)
        news = self._take_news(now)
        if not news and not piece[PLAIN]:
            return None
        whole = (news + piece[PLAIN], news + piece[DEFLATE])
        return Wave(base, self.sent, whole, news)

    def serve(self, viewer: Viewer) -> int:
        """Lead one viewer on that stands elsewhere; return how many entries it was sent."""
        before = viewer.cursor
        if viewer in self.paused:
            return 0
        while viewer.ready and viewer.cursor < self.sent:
            piece, viewer.cursor = self._piece_after(viewer.cursor)
            push(viewer, piece[viewer.variant])
        return max(0, viewer.cursor - before)

    def recent(self, count: int) -> Raw:
        """Return the newest entries as JSON, at most ``count``; made once for all who join."""
        span = self.history.first, self.history.head
        if self._recent_span != span:
            self._recent.clear()
            self._recent_span = span
        made = self._recent.get(count)
        if made is None:
            if len(self._recent) >= RECENT_COUNTS:
                self._recent.clear()
            made = self._recent[count] = wire.join_bodies(self.history.recent(count))
        return made

    def _thin(self, first: int, last: int, now: float) -> None:
        wanted = last - first + 1
        granted = self._allowance.take(wanted, now)
        if granted < wanted:
            bodies = self.history.slice(first, last)
            self._left_out |= choose_left_out(first, bodies, granted)
        if len(self._left_out) > 2 * len(self.history):
            self._left_out = {seq for seq in self._left_out if seq >= self.history.first}

    def _piece_after(self, cursor: int) -> tuple[Variants, int]:
        """Return the frames that lead on from a cursor, and the cursor after them.

        They are built once for all who stand at the same place. Who stands at ``sent`` or beyond is
        where it should be.
        """
        if cursor >= self.sent:
            return (b"", b""), cursor
        made = self._pieces.get(cursor)
        if made is None:
            if len(self._pieces) >= PIECE_LIMIT:
                self._pieces.clear()
            made = self._pieces[cursor] = self._build_piece(cursor)
        return made

    def _build_piece(self, cursor: int) -> tuple[Variants, int]:
        history = self.history
        skip = b""
        if pace.judge(cursor, history.first) is pace.Verdict.SKIP:
            skip = self._build_skip(cursor, "slow")
            cursor = history.first - 1
            if cursor >= self.sent:  # the history moved on since the last wave: the next goes on
                return (skip, skip), cursor
        first, last = cursor + 1, min(self.sent, cursor + BATCH_LIMIT)
        bodies: list[bytes] = []
        size = thinned = 0
        for seq, body in enumerate(history.slice(first, last), first):
            if seq in self._left_out:
                thinned += 1
            elif bodies and size + len(body) > BATCH_BYTES:
                last = seq - 1
                break
            else:
                bodies.append(body)
                size += len(body)
        payload = wire.encode_batch(self.epoch, first, last, bodies, thinned)
        plain = skip + frame(payload)
        packed = skip + build_compressed(TEXT, payload) if self._deflaters else plain
        return (plain, packed), last

    def _build_skip(self, cursor: int, why: Literal["slow", "trimmed"]) -> bytes:
        last = self.history.first - 1
        self._metrics.skipped.inc(last - cursor)
        return frame(wire.encode(wire.Skip(cursor + 1, last, why)))

    # --- how many they are ----------------------------------------------------------------------

    def count_due_at(self) -> float:
        """Return when a changed count may be told."""
        return self._count_told_at + COUNT_SECONDS

    def is_miscounted(self) -> bool:
        """Tell whether the viewers know another count than there is."""
        return len(self) != self._count_told

    def _take_news(self, now: float) -> bytes:
        if not self.is_miscounted() or now < self.count_due_at():
            return b""
        self._count_told, self._count_told_at = len(self), now
        return frame(wire.encode(wire.Viewers(self._count_told)))


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
