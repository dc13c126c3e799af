"""The audience of a room: its viewers in this process, and where its waves stand.

A viewer is a cursor, not a queue. Those who keep up stand in rows and share one; one that lags is
left alone until its socket drains, and gets its own range then. The room's history is the only
buffer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgspec import Raw

from chat.core import wire
from chat.core.history import History
from chat.fanout.pieces import BATCH_LIMIT, PLAIN, Piece, Pieces, Variants, frame
from chat.fanout.row import ROW_LIMIT, Row, Viewer, push
from chat.metrics import Metrics

COUNT_SECONDS = 1.0
POLLER_SECONDS = 10.0
POLLER_LIMIT = 20_000
SMALL_ROWS = 4
WAKE_LIMIT = 16


class Wave(NamedTuple):
    """What one wave sends: to those who stand at ``base`` all of it, to the others the news."""

    base: int
    taken: int
    whole: Variants
    news: bytes


class Audience:
    """The viewers of one room in this process.

    ``sent`` is the seq that the last wave reached: nobody is led beyond it but by a wave, since a
    wave decides what of a flood is left out, and decides it for all. ``plan`` is called when there
    is something for a wave; ``settings`` returns the room's, as JSON.
    """

    def __init__(
        self,
        epoch: str,
        history: History,
        settings: Callable[[], Raw],
        plan: Callable[[Audience], None],
        metrics: Metrics,
        delivery_rate: float,
    ) -> None:
        self.sent = history.head
        self.last_start = 0.0
        self.last_length = 0.0
        self._history = history
        self._pieces = Pieces(epoch, history, settings, metrics, delivery_rate)
        self._plan = plan
        # Each viewer is in a row, apart with a cursor of its own, or paused.
        self._rows: list[Row] = []
        self._open_rows: dict[int, Row] = {}
        self._apart: dict[Viewer, None] = {}
        self._paused: dict[Viewer, None] = {}
        self._uninformed: set[Viewer] = set()  # of those, who missed the newest count
        self._waiters: set[asyncio.Future[None]] = set()
        self._pollers: dict[object, float] = {}
        self._count = 0
        self._deflaters = 0
        self._count_told = 0
        self._count_told_at = 0.0
        self._is_count_due = False
        self._is_sending = False

    def __len__(self) -> int:
        return self._count + len(self._pollers)

    # --- who is there ---------------------------------------------------------------------------

    def add(self, viewer: Viewer, cursor: int) -> None:
        """Let a viewer in that has everything up to ``cursor``."""
        viewer.cursor = cursor
        self._count += 1
        self._deflaters += viewer.variant
        self._apart[viewer] = None
        # Its welcome has a count that the others do not know; should that be over before they are
        # told, it has to be told all the same.
        self._is_count_due = True
        self._align(viewer)
        self._plan(self)

    def remove(self, viewer: Viewer) -> None:
        """Let a viewer go; nothing happens when it has gone already."""
        self._take_apart(viewer)
        held = self._paused if viewer in self._paused else self._apart
        if viewer in held:
            del held[viewer]
            self._uninformed.discard(viewer)
            self._count -= 1
            self._deflaters -= viewer.variant
            self._plan(self)

    def pause(self, viewer: Viewer) -> None:
        """Deliver nothing to a viewer: it is no part of a wave until it resumes."""
        self._take_apart(viewer)
        if viewer in self._apart:
            del self._apart[viewer]
            self._paused[viewer] = None

    def resume(self, viewer: Viewer) -> None:
        """Deliver to a paused viewer again, from its own cursor."""
        if viewer in self._paused:
            del self._paused[viewer]
            self._apart[viewer] = None
            if viewer.ready and viewer.cursor < self._history.first - 1:
                skip = self._pieces.skip(viewer.cursor, "trimmed")
                viewer.cursor = skip.cursor
                push(viewer, skip.frames[PLAIN])
            self.catch_up(viewer)

    def catch_up(self, viewer: Viewer) -> None:
        """Bring a viewer that was held up, and is ready again, to where the others are."""
        self.serve(viewer)
        if viewer in self._uninformed and viewer.ready and viewer not in self._paused:
            self._uninformed.discard(viewer)
            push(viewer, self._tell_count())

    def note_poller(self, poller: object, until: float) -> None:
        """Count somebody who polls as a viewer until a while after ``until``."""
        is_new = poller not in self._pollers
        if is_new and len(self._pollers) >= POLLER_LIMIT:
            return  # it is answered, but not counted
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
        self._waiters.add(waiter)
        try:
            async with asyncio.timeout(seconds):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiters.discard(waiter)

    def release_waiters(self) -> Iterator[None]:
        """Wake the long polls, a few with each step: answering one is a whole request's work."""
        waiters, self._waiters = self._waiters, set()
        for number, waiter in enumerate(waiters, 1):
            if not waiter.done():
                waiter.set_result(None)
            if not number % WAKE_LIMIT:
                yield

    def _align(self, viewer: Viewer) -> None:
        """Let a viewer that is where the waves are stand in a row."""
        if not (viewer.ready and viewer.direct and viewer.cursor == self.sent):
            return
        row = self._open_rows.get(viewer.variant)
        if row is None or row.cursor != self.sent or len(row) >= ROW_LIMIT:
            row = self._open_rows[viewer.variant] = Row(self.sent, viewer.variant, self._apart)
            self._rows.append(row)
        del self._apart[viewer]
        row.take_in(viewer)

    def _take_apart(self, viewer: Viewer) -> None:
        if viewer.row is not None:
            viewer.row.step_out(viewer)

    def _close_ranks(self) -> None:
        # Between two waves, when all rows are at ``sent``: what is left of many rows makes few.
        small = [row for row in self._rows if len(row) < ROW_LIMIT // 2]
        if len(small) > SMALL_ROWS:
            moving = [viewer for row in small for viewer in row.dissolve()]
            self._rows = [row for row in self._rows if len(row)]
            self._open_rows.clear()
            for viewer in moving:
                self._align(viewer)

    # --- what they are sent ---------------------------------------------------------------------

    def mark(self) -> None:
        """There are new entries in the history."""
        self._plan(self)

    def count_waiting(self) -> int:
        """Count the entries that the next wave has to bring."""
        return self._history.head - self.sent

    def prepare_wave(self, now: float) -> Wave | None:
        """Move ``sent`` on and return what leads from the old one to the new; None for nothing."""
        self._close_ranks()
        if self._is_sending:  # a wave broke off, and nobody knows who was told its count
            self._is_count_due = True
        self._is_sending = False
        base, head = self.sent, self._history.head
        if self._count == len(self._paused):
            self._pieces.begin_wave(head, head - 1, now)
            self.sent = head
            if self.is_miscounted():
                self._take_news(now)
                self._uninformed.update(self._paused)
            return None
        # Where waves took so long that the history has moved on, the wave begins where it does.
        start = max(base, self._history.first - 1)
        self.sent = min(head, start + BATCH_LIMIT)
        self._pieces.begin_wave(start + 1, self.sent, now)
        (plain, packed), self.sent = self._piece_after(base)
        news = self._take_news(now)
        if not news and not plain:
            return None
        self._is_sending = True
        return Wave(base, self.sent, (news + plain, news + packed), news)

    def pass_on(self, wave: Wave) -> Iterator[int]:
        """Send a wave to all, in small steps; each yields how many entries were delivered.

        Others may run between two steps: viewers come and go, pause, spill and drain.
        """
        base, taken, whole, _ = wave
        for row in list(self._rows):
            if row.cursor == base:
                row.cursor = taken
                count = len(row) * (taken - base)
                row.send(whole[row.variant])
                yield count
            elif row.cursor != taken:
                row.dissolve()  # an earlier wave broke off before it
        for viewer in list(self._apart):
            if viewer.ready and viewer in self._apart:
                yield self._lead(viewer, wave)
            elif wave.news:
                self._uninformed.add(viewer)
        if wave.news:
            self._uninformed.update(self._paused)
        self._is_sending = False

    def serve(self, viewer: Viewer) -> int:
        """Lead one viewer on that stands apart; return how many entries it was sent."""
        if viewer not in self._apart:
            return 0
        before = viewer.cursor
        while viewer.ready and viewer.cursor < self.sent:
            frames, viewer.cursor = self._piece_after(viewer.cursor)
            push(viewer, frames[viewer.variant])
        self._align(viewer)
        return max(0, viewer.cursor - before)

    def count_bytes(self) -> int:
        """Count the bytes of the frames and histories that were made once for all."""
        return self._pieces.count_bytes()

    def recent(self, count: int) -> Raw:
        """Return the newest entries as JSON, at most ``count``; made once for all who join."""
        return self._pieces.recent(count)

    def _lead(self, viewer: Viewer, wave: Wave) -> int:
        if viewer.cursor == wave.base:
            viewer.cursor = wave.taken
            push(viewer, wave.whole[viewer.variant])
            self._align(viewer)
            return wave.taken - wave.base
        count = self.serve(viewer)
        if wave.news and viewer.ready:
            push(viewer, wave.news)
        return count

    def _piece_after(self, cursor: int) -> Piece:
        # Who stands at ``sent`` or beyond is where it should be, and gets nothing.
        return self._pieces.after(cursor, self.sent, deflate=self._deflaters > 0)

    # --- how many they are ----------------------------------------------------------------------

    def count_due_at(self) -> float:
        """Return when a changed count may be told."""
        return self._count_told_at + COUNT_SECONDS

    def is_miscounted(self) -> bool:
        """Tell whether the viewers know another count than there is."""
        return self._is_count_due or len(self) != self._count_told

    def _take_news(self, now: float) -> bytes:
        if not self.is_miscounted() or now < self.count_due_at():
            return b""
        self._count_told, self._count_told_at = len(self), now
        self._is_count_due = False
        return self._tell_count()

    def _tell_count(self) -> bytes:
        return frame(wire.encode(wire.Viewers(self._count_told)))
