"""The message with the number of a room's viewers: when it is sent, and in which version."""

from __future__ import annotations

from chat.core import wire
from chat.fanout.batch_cache import build_text_frame

COUNT_SECONDS = 1.0


class ViewerCount:
    """The last announced count; each viewer's position has the version that it was sent last.

    ``delivered`` is the version that was sent to every viewer that does not lag.
    """

    def __init__(self) -> None:
        self.version = 0
        self.delivered = 0
        self._message = b""
        self._announced = 0
        self._announced_at = 0.0
        self._is_forced = False

    @property
    def due_at(self) -> float:
        """The earliest time at which a changed count may be announced."""
        return self._announced_at + COUNT_SECONDS

    def force(self) -> None:
        """Announce the next count even if it has not changed.

        The welcome of a new viewer has a count that no other viewer has been sent. If it changes
        back before it is announced, the new viewer would keep a wrong one.
        """
        self._is_forced = True

    def is_stale(self, count: int) -> bool:
        """Return whether some viewers were last sent a different count."""
        return self._is_forced or count != self._announced or self.delivered != self.version

    def update(self, count: int, now: float) -> None:
        """Build a new message if one is needed and due."""
        if self.is_stale(count) and now >= self.due_at:
            self._announced, self._announced_at = count, now
            self._is_forced = False
            self._message = build_text_frame(wire.encode(wire.Viewers(count)))
            self.version += 1

    def message_after(self, version: int) -> bytes:
        """Return the frame for a viewer that was sent this version last; empty if none is newer."""
        return b"" if version == self.version else self._message
