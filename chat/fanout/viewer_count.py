"""When a room's viewers are told how many they are, and in which message."""

from __future__ import annotations

from chat.core import wire
from chat.fanout.batch_cache import build_text_frame

COUNT_SECONDS = 1.0


class ViewerCount:
    """The last announced count. Each viewer's position has the version that it was sent last.

    ``delivered`` is the version that every viewer that keeps up was sent.
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
        """When a changed count may be announced."""
        return self._announced_at + COUNT_SECONDS

    def force(self) -> None:
        """Announce the next count even if it has not changed.

        A viewer that joins is told a count in its welcome that the others do not know; should it
        have changed back before they are told, the new viewer has to be told all the same.
        """
        self._is_forced = True

    def is_stale(self, count: int) -> bool:
        """Return whether some viewers know another count than this."""
        return self._is_forced or count != self._announced or self.delivered != self.version

    def update(self, count: int, now: float) -> None:
        """Make a new message, if one is needed and due."""
        if self.is_stale(count) and now >= self.due_at:
            self._announced, self._announced_at = count, now
            self._is_forced = False
            self._message = build_text_frame(wire.encode(wire.Viewers(count)))
            self.version += 1

    def message_after(self, version: int) -> bytes:
        """Return the frame for who was sent this version last; empty when there is no newer one."""
        return b"" if version == self.version else self._message
