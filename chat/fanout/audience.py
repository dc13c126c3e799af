"""The audience of a room in this process: decides what each of its viewers is sent.

A viewer is a cursor, not a queue. Viewers that keep up share the cursor of a send group; one that
lags is skipped until its socket drains, and then gets the range that it missed. The room's history
is the only buffer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Raw

from chat.core.entry import NumberedEntry
from chat.core.history import History
from chat.core.moderation.hidden import FindBody
from chat.fanout.batch_cache import BATCH_LIMIT, NO_FRAMES, PLAIN, BatchCache, EncodedBatch
from chat.fanout.members import Members
from chat.fanout.pollers import POLLER_LIMIT, Pollers
from chat.fanout.recipient import Position, Recipient
from chat.fanout.send_group import send_to
from chat.fanout.viewer_count import ViewerCount
from chat.metrics import Metrics


class Audience:
    """The viewers of one room, by any transport.

    ``wave_head`` is the highest seq selected for sending; no viewer is sent more, since a wave
    decides for all of them which comments of a flood are omitted. A wave also selects entries that
    arrive while it runs, so the viewers that it reaches last are ahead of the others until the next
    wave. ``schedule`` is called when there is something to send; ``settings_json`` returns the
    room's settings. ``delivery_rate`` is in comments a second, 0 for no limit.
    """

    def __init__(
        self,
        epoch: str,
        history: History,
        settings_json: Callable[[], Raw],
        schedule: Callable[[Audience], None],
        metrics: Metrics,
        delivery_rate: float,
        poller_limit: int = POLLER_LIMIT,
    ) -> None:
        self.wave_head = history.head
        # The highest seq that was sent to every viewer that does not lag.
        self._delivered_head = history.head
        self._history = history
        self._batches = BatchCache(epoch, history, settings_json, delivery_rate)
        self._members = Members()
        # Viewers that do not see what everybody sees: they are in no group.
        self._private: dict[Recipient, FindBody] = {}
        self._count = ViewerCount()
        self.pollers = Pollers(history.head, poller_limit)
        self._metrics = metrics
        self._schedule = schedule
        # Entries sent and skipped since the metrics were updated.
        self._sent_entries = 0
        self._skipped_entries = 0

    def __len__(self) -> int:
        return len(self._members) + len(self.pollers)

    # --- viewers --------------------------------------------------------------------------------

    def add(self, viewer: Recipient, cursor: int) -> None:
        """Add a viewer that has been sent everything up to ``cursor``."""
        self._members.add(viewer, Position(cursor, self._count.version))
        self._count.force()
        self._join_group(viewer)
        self._schedule(self)

    def remove(self, viewer: Recipient) -> None:
        """Remove a viewer; does nothing if it has left already."""
        self._private.pop(viewer, None)
        if self._members.remove(viewer):
            self._schedule(self)

    def set_private(self, viewer: Recipient, find: FindBody | None) -> None:
        """Send a viewer bodies of its own from now on; None: what everybody is sent."""
        if find is None:
            self._private.pop(viewer, None)
        else:
            self._private[viewer] = find
            self._members.leave_group(viewer)

    def pause(self, viewer: Recipient) -> None:
        """Send nothing to a viewer until it resumes."""
        self._members.pause(viewer)

    def resume(self, viewer: Recipient) -> None:
        """Send to a paused viewer again, from its own cursor."""
        if self._members.resume(viewer):
            cursor = viewer.position.cursor
            if viewer.writable and cursor < self._history.first - 1:
                self._send_batch(viewer, self._batches.build_skip(cursor, "trimmed"))
            self.catch_up(viewer)

    def catch_up(self, viewer: Recipient) -> None:
        """Send the entries that it missed to a lagging viewer that is writable again."""
        if viewer.writable and self._members.is_lagging(viewer):
            self._catch_up(viewer)
            self._update_metrics()

    def begin_poll(self, poller: object) -> None:
        """Count a poller as a viewer."""
        if self.pollers.begin_poll(poller):
            self._schedule(self)

    def drop_expired_pollers(self, now: float) -> None:
        """Stop counting the pollers that have stopped polling."""
        if self.pollers.drop_expired(now):
            self._schedule(self)

    def recent(self, count: int) -> Raw:
        """Return the newest entries as JSON, at most ``count``; encoded once for all who join."""
        return self._batches.recent(count)

    def count_bytes(self) -> int:
        """Return the size of the cached frames and recent histories, in bytes."""
        return self._batches.count_bytes()

    def clear_cache(self) -> None:
        """Clear the cache: the history has dropped entries that it contains."""
        self._batches.clear()

    # --- waves ----------------------------------------------------------------------------------

    def add_entries(self, entries: Sequence[NumberedEntry]) -> None:
        """Schedule a wave for new entries, which are in the history already."""
        self._batches.add(entries)
        self._schedule(self)

    def count_waiting(self) -> int:
        """Return how many entries have not been sent to all viewers that keep up."""
        return self._history.head - self._delivered_head

    @property
    def count_is_stale(self) -> bool:
        """Whether some viewers have not been sent the current number of viewers."""
        return self._count.is_stale(len(self))

    @property
    def count_due_at(self) -> float:
        """The earliest time at which a changed count may be announced."""
        return self._count.due_at

    def begin_wave(self, now: float) -> bool:
        """Select the entries to send; return whether there is anything to send to any viewer."""
        self._members.merge_small_groups()
        self._select_entries(now)
        self._count.update(len(self), now)
        if self._members.following:
            return self._delivered_head < self.wave_head or (
                self._count.delivered != self._count.version
            )
        self._delivered_head, self._count.delivered = self.wave_head, self._count.version
        return False

    def select_more(self, now: float) -> None:
        """Let the current wave also send entries that arrived since, to viewers not yet reached.

        This costs one more batch for each position at which viewers are.
        """
        self._select_entries(now)

    def send_steps(self) -> Iterator[None]:
        """Send to all viewers, in small steps.

        Between two steps viewers may join, leave, pause, lag and drain.
        """
        delivered, count_version = self.wave_head, self._count.version
        frames, made_of = NO_FRAMES, (NO_FRAMES, b"")
        for group in self._members.list_groups():
            batch = self._get_batch(group.cursor)
            count = self._count.message_after(group.count_version)
            if (batch.frames, count) != made_of:
                made_of = (batch.frames, count)
                plain, compressed = batch.frames
                frames = (count + plain, count + compressed)
            delivered = min(delivered, batch.cursor)
            if frames[PLAIN]:
                group.cursor, group.count_version = batch.cursor, count_version
                self._count_sent(batch, len(group))
                group.send(frames[group.encoding])
                yield
        for viewer in self._members.list_lagging():
            if viewer.writable and self._members.is_lagging(viewer):
                self._catch_up(viewer)
                yield
        # Only now: if a wave fails, the next one sends to the viewers that it did not reach.
        self._delivered_head, self._count.delivered = delivered, count_version
        self._update_metrics()

    def _select_entries(self, now: float) -> None:
        head = self._history.head
        if not self._members.following:
            # While all viewers are paused nothing is omitted: nobody reads a flood then.
            self._batches.select_all()
            self.wave_head = head
        # No more than a wave can send: under overload viewers should stay at one position, since
        # each position costs a batch of its own.
        while self.wave_head < head and (
            self._batches.count_selected(self._delivered_head, self.wave_head) < BATCH_LIMIT
        ):
            # Entries that the history has dropped can no longer be selected.
            first = max(self.wave_head + 1, self._history.first)
            last = min(head, first + BATCH_LIMIT - 1)
            self._batches.select_entries(first, last, now)
            self.wave_head = last

    def _catch_up(self, viewer: Recipient) -> None:
        """Send to one lagging viewer up to the wave head, until its socket is full."""
        position = viewer.position
        count = self._count.message_after(position.count_version)
        while viewer.writable and (count or position.cursor < self.wave_head):
            position.count_version = self._count.version
            self._send_batch(viewer, self._get_batch_for(viewer, position.cursor), count)
            count = b""
        self._join_group(viewer)

    def _send_batch(self, viewer: Recipient, batch: EncodedBatch, count: bytes = b"") -> None:
        viewer.position.cursor = batch.cursor
        self._count_sent(batch, 1)
        send_to(viewer, count + batch.frames[viewer.encoding])

    def _join_group(self, viewer: Recipient) -> None:
        if viewer in self._private:
            return
        self._members.join_group(viewer, self.wave_head, self._count.version)

    def _get_batch(self, cursor: int) -> EncodedBatch:
        # A viewer at the wave head or beyond it gets nothing.
        return self._batches.get_batch(cursor, self.wave_head, deflate=self._members.compressed > 0)

    def _get_batch_for(self, viewer: Recipient, cursor: int) -> EncodedBatch:
        find = self._private.get(viewer)
        if find is None:
            return self._get_batch(cursor)
        return self._batches.build_private(cursor, self.wave_head, find)

    def _count_sent(self, batch: EncodedBatch, viewers: int) -> None:
        self._sent_entries += viewers * batch.entries
        self._skipped_entries += viewers * batch.skipped

    def _update_metrics(self) -> None:
        self._metrics.deliveries.inc(self._sent_entries)
        self._metrics.skipped.inc(self._skipped_entries)
        self._sent_entries = self._skipped_entries = 0
