"""The audience of a room: its viewers in this process, and where its waves stand.

A viewer is a cursor, not a queue. Those who keep up stand in rows and share one; one that lags is
left alone until its socket drains, and gets its own range then. The room's history is the only
buffer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

from msgspec import Raw

from chat.core import pace, wire
from chat.core.history import History
from chat.fanout.pieces import BATCH_LIMIT, NOTHING, PLAIN, Piece, Pieces, frame
from chat.fanout.row import ROW_LIMIT, Row, Viewer, push
from chat.metrics import Metrics

COUNT_SECONDS = 1.0
POLLER_SECONDS = 10.0
POLLER_LIMIT = 20_000
SMALL_ROWS = 4
WAKE_LIMIT = 16


class Audience:
    """The viewers of one room in this process.

    ``sent`` is how far waves lead: nobody is led beyond it, since what of a flood is left out is
    decided when a wave takes entries up, and for all. A wave takes up what comes while it runs, so
    those whom it meets late are ahead of those whom it met first, until the next. ``plan`` is
    called when there is something for a wave; ``settings`` returns the room's, as JSON.
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
        self.woken = history.head  # how far the long polls were told that there is something
        self._reached = history.head  # how far all viewers have come who keep up
        self._taken_up_at = 0.0
        self.last_start = 0.0
        self.last_length = 0.0
        self._history = history
        self._pieces = Pieces(epoch, history, settings, delivery_rate)
        self._metrics = metrics
        self._plan = plan
        # Each viewer is in a row, apart with a cursor of its own, or paused.
        self._rows: list[Row] = []
        self._open_rows: dict[int, Row] = {}
        self._apart: dict[Viewer, None] = {}
        self._paused: dict[Viewer, None] = {}
        self._waiters: set[asyncio.Future[None]] = set()
        self._pollers: dict[object, float] = {}
        self._count = 0
        self._deflaters = 0
        # The news is how many viewers there are; each knows the number of the last that it heard.
        self._news = b""
        self._news_number = 0
        self._news_reached = 0
        self._count_told = 0
        self._count_told_at = 0.0
        self._is_count_due = False
        # What was handed to connections since the metrics were told, in entries.
        self._handed = 0
        self._skipped = 0

    def __len__(self) -> int:
        return self._count + len(self._pollers)

    # --- who is there ---------------------------------------------------------------------------

    def add(self, viewer: Viewer, cursor: int) -> None:
        """Let a viewer in that has everything up to ``cursor``."""
        viewer.cursor = cursor
        viewer.news_number = self._news_number
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
                self._hand(viewer, self._pieces.skip(viewer.cursor, "trimmed"))
            self.catch_up(viewer)

    def catch_up(self, viewer: Viewer) -> None:
        """Bring a viewer that was held up, and is ready again, to where waves lead."""
        if viewer.ready and viewer in self._apart:
            self._lead(viewer)
            self._tell_metrics()

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
        self.woken = self.sent
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
        place = (self.sent, self._news_number)
        if row is None or (row.cursor, row.news_number) != place or len(row) >= ROW_LIMIT:
            self._drop_empty_rows()
            row = self._open_rows[viewer.variant] = Row(*place, viewer.variant, self._apart)
            self._rows.append(row)
        del self._apart[viewer]
        row.take_in(viewer)

    def _take_apart(self, viewer: Viewer) -> None:
        if viewer.row is not None:
            viewer.row.step_out(viewer)

    def _close_ranks(self) -> None:
        # What is left of many rows makes few: this wave leads whom it moves to where a row begins.
        small = [row for row in self._rows if len(row) < ROW_LIMIT // 2]
        if len(small) > SMALL_ROWS:
            for row in small:
                row.dissolve()
        self._drop_empty_rows()

    def _drop_empty_rows(self) -> None:
        self._rows = [row for row in self._rows if len(row)]
        self._open_rows = {row.variant: row for row in self._open_rows.values() if len(row)}

    # --- what they are sent ---------------------------------------------------------------------

    def mark(self) -> None:
        """There are new entries in the history."""
        self._plan(self)

    def count_waiting(self) -> int:
        """Count the entries that the next wave has to bring, to some of them at least."""
        return self._history.head - self._reached

    def begin_wave(self, now: float) -> bool:
        """Take up what there is; return whether there is anything to tell, and anybody."""
        self._close_ranks()
        self._take_up(now)
        self._renew_count(now)
        if self._count > len(self._paused):
            return self._reached < self.sent or self._news_reached != self._news_number
        self._reached, self._news_reached = self.sent, self._news_number
        return False

    def take_up_more(self, now: float) -> None:
        """Let the wave that is under way bring what has come since to those it still meets."""
        if now - self._taken_up_at >= pace.TAKE_UP_SECONDS:
            self._take_up(now)

    def pass_on(self) -> Iterator[None]:
        """Lead all on, in small steps.

        Others may run between two steps: viewers come and go, pause, spill and drain.
        """
        reached, news_number = self.sent, self._news_number
        frames, made_of = NOTHING, (NOTHING, b"")
        for row in list(self._rows):
            piece, news = self._piece_after(row.cursor), self._news_after(row.news_number)
            if (piece.frames, news) != made_of:
                made_of = (piece.frames, news)
                plain, packed = piece.frames
                frames = (news + plain, news + packed)
            reached = min(reached, piece.cursor)
            if frames[PLAIN]:
                row.cursor, row.news_number = piece.cursor, news_number
                self._note(piece, len(row))
                row.send(frames[row.variant])
                yield
        for viewer in list(self._apart):
            if viewer.ready and viewer in self._apart:
                self._lead(viewer)
                yield
        # Only now: what a wave that broke off did not reach is for the next.
        self._reached, self._news_reached = reached, news_number
        self._tell_metrics()

    def count_bytes(self) -> int:
        """Count the bytes of the frames and histories that were made once for all."""
        return self._pieces.count_bytes()

    def forget_made(self) -> None:
        """Keep nothing of what was made once for all; the history has forgotten some of it."""
        self._pieces.forget()

    def recent(self, count: int) -> Raw:
        """Return the newest entries as JSON, at most ``count``; made once for all who join."""
        return self._pieces.recent(count)

    def _take_up(self, now: float) -> None:
        head = self._history.head
        if self._count == len(self._paused):
            # Where all pause nothing is left out: whoever resumes first has it for itself.
            self._pieces.take_up(head + 1, head, now)
            self.sent = head
        # No more than a wave can bring: in a room that is too much for its server viewers shall
        # stay together, since each place where some of them stand costs a batch of its own.
        while self.sent < head and self._pieces.count_kept(self._reached, self.sent) < BATCH_LIMIT:
            # What the history has forgotten before it was taken up is for nobody to choose.
            first = max(self.sent + 1, self._history.first)
            last = min(head, first + BATCH_LIMIT - 1)
            self._pieces.take_up(first, last, now)
            self.sent = last
        self._taken_up_at = now

    def _lead(self, viewer: Viewer) -> None:
        """Lead one viewer on that stands apart and is ready, as far as it takes."""
        news = self._news_after(viewer.news_number)
        while viewer.ready and (news or viewer.cursor < self.sent):
            self._hand(viewer, self._piece_after(viewer.cursor), news)
            viewer.news_number, news = self._news_number, b""
        self._align(viewer)

    def _hand(self, viewer: Viewer, piece: Piece, news: bytes = b"") -> None:
        viewer.cursor = piece.cursor
        self._note(piece, 1)
        push(viewer, news + piece.frames[viewer.variant])

    def _note(self, piece: Piece, viewers: int) -> None:
        self._handed += viewers * piece.entries
        self._skipped += viewers * piece.skipped

    def _tell_metrics(self) -> None:
        self._metrics.deliveries.inc(self._handed)
        self._metrics.skipped.inc(self._skipped)
        self._handed = self._skipped = 0

    def _piece_after(self, cursor: int) -> Piece:
        # Who stands at ``sent`` or beyond is where it should be, and gets nothing.
        return self._pieces.after(cursor, self.sent, deflate=self._deflaters > 0)

    # --- how many they are ----------------------------------------------------------------------

    def count_due_at(self) -> float:
        """Return when a changed count may be told."""
        return self._count_told_at + COUNT_SECONDS

    def is_miscounted(self) -> bool:
        """Tell whether some viewers know another count than there is."""
        return (
            self._is_count_due
            or len(self) != self._count_told
            or self._news_reached != self._news_number
        )

    def _renew_count(self, now: float) -> None:
        if self.is_miscounted() and now >= self.count_due_at():
            self._count_told, self._count_told_at = len(self), now
            self._is_count_due = False
            self._news = frame(wire.encode(wire.Viewers(self._count_told)))
            self._news_number += 1

    def _news_after(self, number: int) -> bytes:
        return b"" if number == self._news_number else self._news
