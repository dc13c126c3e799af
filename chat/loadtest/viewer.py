"""The base of simulated viewers: the position in the room, and the state; no transport.

NEW -> OPENING -> LIVE -> CLOSED; a storm leads from LIVE back to OPENING.
"""

from __future__ import annotations

from abc import abstractmethod
from enum import Enum
from time import monotonic_ns

from chat.loadtest.connection import Connection, WorkerContext
from chat.loadtest.messages import Message, read_batch
from chat.loadtest.recorder import BatchCache, EpochRecord
from chat.loadtest.sequence_check import SequenceTracker

RETRY_SECONDS = 0.5  # until a viewer that was refused in a storm tries again
OPENING_LIMIT = 20.0  # seconds until an opening counts as failed
NO_CACHE: BatchCache = {}


class ViewerState(Enum):
    """The state of a viewer."""

    NEW, OPENING, LIVE, CLOSED = range(4)


class Viewer(Connection):
    """One simulated viewer. Its transport connects, reads and posts in a subclass."""

    __slots__ = tuple(
        "backlog batch_cache epoch fully_checked paused room started state tracker".split()
    )

    def __init__(
        self, context: WorkerContext, number: int, room: str, slow: bool, fully_checked: bool
    ) -> None:
        super().__init__(context, number)
        self.room = room
        self.slow = slow
        self.fully_checked = fully_checked  # decodes and checks every frame, also a cached one
        self.paused = False  # does not read
        self.backlog: list[tuple[int, int]] = []  # post and due, while the viewer is away
        self.state = ViewerState.NEW
        self.tracker = SequenceTracker(context.recorder.counters)
        self.batch_cache = NO_CACHE
        self.epoch = EpochRecord(context.recorder.counters)
        self.started = 0

    # --- for the worker ---

    def open(self) -> None:
        """Connect, for the first time or again."""
        self.state = ViewerState.OPENING
        self.started = monotonic_ns()
        self.connect()

    def post(self, number: int, due: int) -> None:
        """Send a comment, or keep it until the viewer is back, as a page does."""
        if self.state is not ViewerState.LIVE:
            self.backlog.append((number, due))
            self.context.held += 1
        elif not self.send_post(number, due):
            self.context.recorder.counters.unsent += 1

    @abstractmethod
    def send_post(self, number: int, due: int) -> bool:
        """Send a comment; return False if it cannot be sent."""

    @abstractmethod
    def disconnect(self) -> None:
        """Disconnect as a browser does when its page is reloaded."""

    def resume(self) -> None:
        """Let a slow viewer read again."""
        if self.paused:
            self.paused = False
            self.resume_reading()

    def is_behind(self, head: int) -> bool:
        """Return whether the viewer is live and has not reached `head`."""
        return self.state is ViewerState.LIVE and self.tracker.seq < head

    def check_opening(self, moment: int) -> None:
        """Give up an opening that takes too long."""
        is_opening = self.state is ViewerState.OPENING and self.socket is not None
        if is_opening and moment - self.started > OPENING_LIMIT * 1e9:
            self.fail(f"no answer in {OPENING_LIMIT:.0f} s")

    def finish(self) -> None:
        """End the connection; the test is over."""
        if self.state is ViewerState.LIVE:
            self.disconnect()
        self.close()
        self.state = ViewerState.CLOSED

    # --- for the transports ---

    def on_welcome(self, message: Message, seq: int) -> None:
        """Handle the welcome after a connect or reconnect; the room is at `seq`."""
        moment, tracker = monotonic_ns(), self.tracker
        is_first = tracker.joined < 0
        if not is_first and message.recovered and message.epoch == tracker.epoch:
            self._record_resumed(message, seq)
        else:
            self.join(message, seq)
        self.epoch.head = max(self.epoch.head, seq)
        self.go_live(is_first, moment)

    def _record_resumed(self, message: Message, seq: int) -> None:
        """Count resumed entries as delivered, without a latency: that would be the storm's."""
        recorder = self.context.recorder
        batch = read_batch(b"", self.tracker.seq + 1, seq, message, self.context.run)
        self.epoch.check(batch)
        if self.tracker.advance(batch.first, batch.last):
            recorder.count(batch, 1)
            recorder.counters.resumed += batch.count
            recorder.timeline.find_tick(monotonic_ns()).delivered += batch.count

    def join(self, message: Message, seq: int) -> None:
        """Follow the epoch of a message from `seq` on; again, when a cursor was not recovered."""
        tracker = self.tracker
        if tracker.joined >= 0:
            reason = message.reason or "no reason given"
            self.context.recorder.counters.unrecovered[reason] += 1
            if message.epoch == tracker.epoch:
                self.skip(tracker.seq + 1, seq)
                return
        tracker.join(message.epoch, seq)
        self.epoch = self.context.recorder.epoch(self.room, message.epoch)
        cached = not self.fully_checked and not self.slow
        self.batch_cache = self.epoch.batch_cache if cached else NO_CACHE

    def go_live(self, is_first: bool, moment: int) -> None:
        """Count the connect or reconnect that ended at `moment`, and post what waited for it."""
        recorder, counters = self.context.recorder, self.context.recorder.counters
        if is_first:
            counters.connected += 1
            recorder.outcome.connects.record(moment - self.started)
        else:
            counters.reconnected += 1
            recorder.outcome.reconnects.record(moment - self.started)
        recorder.joins.append(moment)
        self.state = ViewerState.LIVE
        if self.slow:
            self.paused = True
            self.stop_reading()
        backlog, self.backlog = self.backlog, []
        self.context.held -= len(backlog)
        for number, due in backlog:
            self.post(number, due)

    def skip(self, first: int, last: int) -> None:
        """Record that the server will not send `first..last`."""
        self.tracker.skip(first, last)
        self.epoch.left_out.append((first, last))

    def record_batch(self, data: bytes, message: Message) -> None:
        """Decode and record a batch that was not in the cache."""
        counters = self.context.recorder.counters
        if message.epoch != self.tracker.epoch:
            counters.violations["a batch of another epoch"] += 1
            return
        first, last = message.first or 0, message.last or 0
        batch = read_batch(data, first, last, message, self.context.run)
        if self.fully_checked:
            counters.checked += len(message.entries)
            self.epoch.check(batch)
        cached = self.epoch.cache(batch)
        is_new = self.tracker.advance(first, last)
        if is_new and not self.slow:
            cached.receipts.append(monotonic_ns())
            return
        # Receipts of slow viewers do not count as latencies.
        counters.received_bytes += len(data)
        if is_new:
            self.context.recorder.count(batch, 1)

    def on_close(self, reason: str) -> None:
        """Count a failed opening, or a viewer that was closed. After a storm, openings go on."""
        counters = self.context.recorder.counters
        if self.state is ViewerState.OPENING:
            counters.failed[reason] += 1
            if self.tracker.joined >= 0:
                self.context.loop.call_in(RETRY_SECONDS, self._open_again)
                return
        elif self.state is ViewerState.LIVE:
            counters.closed[reason] += 1
            counters.slow_closed += self.slow
            counters.left += 1
        self.state = ViewerState.CLOSED
        self.context.held -= len(self.backlog)
        counters.unsent += len(self.backlog)
        self.backlog.clear()

    def _open_again(self) -> None:
        if self.state is ViewerState.OPENING and self.socket is None:
            self.open()
