"""A room's frames, encoded once for all viewers at the same position.

It reads the room's history and decides which comments of a flood are omitted; ``audience`` decides
which viewer gets which batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from msgspec import Raw

from chat.core import wire
from chat.core.comment import Comment
from chat.core.entry import NumberedEntry, join_bodies
from chat.core.frames import TEXT, build_compressed, build_frame
from chat.core.history import History
from chat.core.moderation.hidden import FindBody
from chat.core.thinning import Thinning

BATCH_LIMIT = 512
BATCH_BYTES = 192 * 1_024
CACHE_BYTES = 16 * 1_024 * 1_024
RECENT_COUNTS = 4

PLAIN = 0
DEFLATE = 1

Encodings = tuple[bytes, bytes]
"""The same frames, plain and compressed; both are plain if no viewer uses compression."""

NO_FRAMES: Encodings = (b"", b"")


class EncodedBatch(NamedTuple):
    """Frames with the entries after a cursor, and the cursor after them.

    ``entries``: how many entries they contain; ``skipped``: how many they report as skipped.
    """

    frames: Encodings
    cursor: int
    entries: int = 0
    skipped: int = 0


class BatchCache:
    """Builds each batch once; caches at most ``limit`` bytes of them, plus the last one built."""

    def __init__(
        self,
        epoch: str,
        history: History,
        settings_json: Callable[[], Raw],
        delivery_rate: float,
        limit: int = CACHE_BYTES,
    ) -> None:
        self._epoch = epoch
        self._history = history
        self._settings_json = settings_json
        self._limit = limit
        self._thinning = Thinning(delivery_rate, history.capacity)
        self._omitted: set[int] = set()
        self._batches: dict[int, EncodedBatch] = {}
        self._bytes = 0
        self._recent: dict[int, Raw] = {}
        self._recent_span = (0, 0)

    def count_bytes(self) -> int:
        """Return the size of the cache in bytes."""
        return self._bytes + sum(len(memoryview(raw)) for raw in self._recent.values())

    def add(self, entries: Sequence[NumberedEntry]) -> None:
        """Record new entries, for thinning."""
        if self._thinning.is_active:
            for numbered in entries:
                self._thinning.add(
                    numbered.entry if numbered.hidden is None else _stand_in(numbered)
                )

    def select_entries(self, first: int, last: int, now: float) -> None:
        """Decide which of the entries ``first`` to ``last`` are omitted, for every viewer."""
        self._omitted |= self._thinning.choose_omitted(first, last, now)
        self._clear_batches()
        if len(self._omitted) > 2 * len(self._history):
            self._omitted = {seq for seq in self._omitted if seq >= self._history.first}

    def select_all(self) -> None:
        """Omit none of the new entries."""
        self._thinning.select_all()
        self._clear_batches()

    def count_selected(self, after: int, last: int) -> int:
        """Return how many entries after ``after``, up to ``last``, are not omitted."""
        if not self._omitted:
            return last - after
        return sum(seq not in self._omitted for seq in range(after + 1, last + 1))

    def get_batch(self, cursor: int, last: int, *, deflate: bool) -> EncodedBatch:
        """Return the batch after a cursor, up to ``last`` at most.

        ``last`` must be the same for all viewers until ``select_entries`` is called again.
        """
        if cursor >= last:
            return EncodedBatch(NO_FRAMES, cursor)
        batch = self._batches.get(cursor)
        if batch is None:
            if self._bytes >= self._limit:
                self._clear_batches()
            batch = self._batches[cursor] = self._build(cursor, last, deflate)
            plain, compressed = batch.frames
            self._bytes += len(plain) + (0 if compressed is plain else len(compressed))
        return batch

    def build_private(self, cursor: int, last: int, find: FindBody) -> EncodedBatch:
        """Return the batch after a cursor with a viewer's own bodies; it is not cached."""
        if cursor >= last:
            return EncodedBatch(NO_FRAMES, cursor)
        return self._build(cursor, last, deflate=False, find=find)

    def clear(self) -> None:
        """Empty the cache: it may contain entries that were trimmed."""
        self._clear_batches()
        self._recent.clear()

    def _clear_batches(self) -> None:
        self._batches.clear()
        self._bytes = 0

    def build_skip(self, cursor: int, why: Literal["slow", "trimmed"]) -> EncodedBatch:
        """Return a batch that skips the entries after a cursor that are no longer in memory."""
        last = self._history.first - 1
        skip = build_text_frame(
            wire.encode(wire.Skip(cursor + 1, last, why, self._settings_json()))
        )
        return EncodedBatch((skip, skip), last, skipped=last - cursor)

    def recent(self, count: int) -> Raw:
        """Return the newest entries as JSON, at most ``count``; encoded once for all who join."""
        span = self._history.first, self._history.head
        if self._recent_span != span:
            self._recent.clear()
            self._recent_span = span
        recent = self._recent.get(count)
        if recent is None:
            if len(self._recent) >= RECENT_COUNTS:
                self._recent.clear()
            recent = self._recent[count] = join_bodies(self._history.recent(count))
        return recent

    def _build(
        self, cursor: int, last: int, deflate: bool, find: FindBody | None = None
    ) -> EncodedBatch:
        history = self._history
        skip, skipped = b"", 0
        if cursor < history.first - 1:
            batch = self.build_skip(cursor, "slow")
            if batch.cursor >= last:  # the history has moved on since: the next batch goes on
                return batch
            (skip, _), cursor, _, skipped = batch
        first = cursor + 1
        bodies: list[bytes] = []
        size = thinned = 0
        for seq, public in enumerate(history.slice(first, last), first):
            body = public if find is None else find(seq) or public
            if seq in self._omitted:
                thinned += 1
            elif len(bodies) == BATCH_LIMIT or (bodies and size + len(body) > BATCH_BYTES):
                last = seq - 1
                break
            else:
                bodies.append(body)
                size += len(body)
        payload = wire.encode_batch(self._epoch, first, last, bodies, thinned)
        plain = skip + build_text_frame(payload)
        compressed = skip + build_compressed(TEXT, payload) if deflate else plain
        return EncodedBatch((plain, compressed), last, len(bodies), skipped)


def _stand_in(numbered: NumberedEntry) -> Comment:
    """Return what a shadowed comment counts as, so that a flood of them is thinned as any other."""
    assert numbered.hidden is not None
    return Comment(seq=numbered.seq, user=numbered.hidden.user, name="", text="", at=0)


def build_text_frame(payload: bytes) -> bytes:
    """Return an encoded message as an uncompressed text frame."""
    return build_frame(TEXT, payload)
