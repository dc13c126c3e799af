"""An open room: its state, its viewers, and its posts that are on their way to the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from msgspec import Raw

from chat.core import wire
from chat.core.reject import Rejection
from chat.core.retraction import purge
from chat.core.room import Room
from chat.core.room_settings import settings_in
from chat.fanout.audience import Audience

RETRY_LIMIT = 8

Answer = Callable[[wire.Ack | Rejection], None]


class OpenRoom:
    """A room's state machine, and its audience; both see an entry in the same step.

    ``pending`` are the posts on their way to the disk, by user and ref, with those who asked again
    what becomes of them. ``changing`` is held while the settings are changed.
    """

    def __init__(self, room: Room, audience: Audience, now: float) -> None:
        self.room = room
        self.audience = audience
        self.watched_at = now
        self.changing = asyncio.Lock()
        self.pending: dict[tuple[str, str], list[Answer]] = {}

    @property
    def title(self) -> str:
        """The room's title, empty when it has none."""
        return self.room.settings.title

    @property
    def settings(self) -> Raw:
        """The room's settings as JSON."""
        return self.room.encode_settings()

    def take(self, first: int, bodies: Sequence[bytes]) -> None:
        """Take the next entries, and have them sent; what was taken already is passed over."""
        history = self.room.history
        for seq, body in enumerate(bodies, first):
            if seq <= history.head:
                continue  # from before a delivery broke off
            history.append(seq, body)
            purge(history, body)
            settings = settings_in(body)
            if settings is not None:
                self.room.settings = settings
        self.audience.mark()

    def ask_again(self, key: tuple[str, str], answer: Answer) -> bool:
        """Give a retry of a pending post the answer of the first; False for one too many."""
        retries = self.pending[key]
        if len(retries) >= RETRY_LIMIT:
            return False
        retries.append(answer)
        return True

    def forget(self, last: int) -> None:
        """Let the entries up to ``last`` go from memory, and all that was made of them."""
        self.room.history.forget(last)
        self.audience.forget_made()

    def why_lost(self, cursor: wire.Cursor) -> str | None:
        """Return why nothing can be told from a cursor on; None when its place is known."""
        if cursor.epoch != self.room.epoch:
            return "epoch"
        return "ahead" if cursor.seq > self.room.history.head else None
