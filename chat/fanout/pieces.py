"""The bytes that lead viewers on: what a room has to tell, encoded and framed once for all.

It knows the room's history and what of a flood is left out, and nothing of who gets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from msgspec import Raw

from chat.core import wire
from chat.core.frames import TEXT, build_compressed, build_frame
from chat.core.history import History
from chat.core.thinning import Thinning

BATCH_LIMIT = 512
BATCH_BYTES = 192 * 1_024
MADE_BYTES = 16 * 1_024 * 1_024
RECENT_COUNTS = 4

PLAIN = 0
DEFLATE = 1

Variants = tuple[bytes, bytes]
"""The same frames, plain and compressed; the second is the first where nobody wants it."""

NOTHING: Variants = (b"", b"")


class Piece(NamedTuple):
    """Frames that lead on from a cursor, and the cursor after them.

    ``entries`` are so many as there are in them, ``skipped`` so many as they tell to be missed.
    """

    frames: Variants
    cursor: int
    entries: int = 0
    skipped: int = 0


class Pieces:
    """One room's frames, each built once for all who stand at the same place."""

    def __init__(
        self,
        epoch: str,
        history: History,
        settings: Callable[[], Raw],
        delivery_rate: float,
    ) -> None:
        self._epoch = epoch
        self._history = history
        self._settings = settings
        self._thinning = Thinning(delivery_rate)
        self._left_out: set[int] = set()
        self._made: dict[int, Piece] = {}
        self._made_bytes = 0
        self._recent: dict[int, Raw] = {}
        self._recent_span = (0, 0)

    def count_bytes(self) -> int:
        """Count the bytes that are kept for whoever comes to stand at the same place."""
        return self._made_bytes + sum(len(memoryview(raw)) for raw in self._recent.values())

    def take_up(self, first: int, last: int, now: float) -> None:
        """Decide what of the entries ``first`` to ``last`` is left out, for all and for ever."""
        bodies = self._history.slice(first, last)
        self._left_out |= self._thinning.choose_left_out(first, bodies, now)
        self._forget_made()
        if len(self._left_out) > 2 * len(self._history):
            self._left_out = {seq for seq in self._left_out if seq >= self._history.first}

    def count_kept(self, after: int, last: int) -> int:
        """Count the entries beyond ``after``, to ``last``, that are not left out."""
        if not self._left_out:
            return last - after
        return sum(seq not in self._left_out for seq in range(after + 1, last + 1))

    def after(self, cursor: int, last: int, *, deflate: bool) -> Piece:
        """Return what leads on from a cursor, to ``last`` at most, which is the same for all."""
        if cursor >= last:
            return Piece(NOTHING, cursor)
        made = self._made.get(cursor)
        if made is None:
            if self._made_bytes >= MADE_BYTES:
                self._forget_made()
            made = self._made[cursor] = self._build(cursor, last, deflate)
            plain, packed = made.frames
            self._made_bytes += len(plain) + (0 if packed is plain else len(packed))
        return made

    def forget(self) -> None:
        """Keep nothing of what was made: some of it may be kept no longer."""
        self._forget_made()
        self._recent.clear()

    def _forget_made(self) -> None:
        self._made.clear()
        self._made_bytes = 0

    def skip(self, cursor: int, why: Literal["slow", "trimmed"]) -> Piece:
        """Return what tells a viewer which entries after its cursor are no more in memory."""
        last = self._history.first - 1
        told = frame(wire.encode(wire.Skip(cursor + 1, last, why, self._settings())))
        return Piece((told, told), last, skipped=last - cursor)

    def recent(self, count: int) -> Raw:
        """Return the newest entries as JSON, at most ``count``; made once for all who join."""
        span = self._history.first, self._history.head
        if self._recent_span != span:
            self._recent.clear()
            self._recent_span = span
        made = self._recent.get(count)
        if made is None:
            if len(self._recent) >= RECENT_COUNTS:
                self._recent.clear()
            made = self._recent[count] = wire.join_bodies(self._history.recent(count))
        return made

    def _build(self, cursor: int, last: int, deflate: bool) -> Piece:
        history = self._history
        skip, skipped = b"", 0
        if cursor < history.first - 1:
            told = self.skip(cursor, "slow")
            if told.cursor >= last:  # the history has moved on since: the next piece goes on
                return told
            (skip, _), cursor, _, skipped = told
        first = cursor + 1
        bodies: list[bytes] = []
        size = thinned = 0
        for seq, body in enumerate(history.slice(first, last), first):
            if seq in self._left_out:
                thinned += 1
            elif len(bodies) == BATCH_LIMIT or (bodies and size + len(body) > BATCH_BYTES):
                last = seq - 1
                break
            else:
                bodies.append(body)
                size += len(body)
        payload = wire.encode_batch(self._epoch, first, last, bodies, thinned)
        plain = skip + frame(payload)
        packed = skip + build_compressed(TEXT, payload) if deflate else plain
        return Piece((plain, packed), last, len(bodies), skipped)


def frame(payload: bytes) -> bytes:
    """Frame a message as every viewer gets it."""
    return build_frame(TEXT, payload)
