"""Send groups, and the loop that sends one batch to all viewers of a group."""

from __future__ import annotations

from collections.abc import Callable

from chat.fanout.recipient import BROKEN, Position, Recipient, finish_send

GROUP_LIMIT = 64


class SendGroup(Position):
    """Viewers at one position, all of them writable, that are sent the same bytes.

    A wave accesses only the ``send`` of a viewer, so that a viewer costs little more than the
    system call. Viewers that are removed are added to ``lagging``.
    """

    __slots__ = ("_lagging", "_sends", "_viewers", "encoding")

    def __init__(
        self, cursor: int, count_version: int, encoding: int, lagging: dict[Recipient, None]
    ) -> None:
        super().__init__(cursor, count_version)
        self.encoding = encoding
        self._lagging = lagging
        self._viewers: list[Recipient] = []
        self._sends: list[Callable[[bytes], int]] = []

    def __len__(self) -> int:
        return len(self._viewers)

    def add(self, viewer: Recipient) -> None:
        """Add a viewer that is at this group's position."""
        viewer.position = self
        self._viewers.append(viewer)
        self._sends.append(viewer.send)

    def remove(self, viewer: Recipient) -> None:
        """Remove a viewer; it gets its own position, equal to the group's."""
        index = self._viewers.index(viewer)
        viewer.position = Position(self.cursor, self.count_version)
        # Filled with the last one, so that no other viewer moves.
        self._viewers[index] = self._viewers[-1]
        self._sends[index] = self._sends[-1]
        del self._viewers[-1], self._sends[-1]
        self._lagging[viewer] = None

    def clear(self) -> None:
        """Remove all viewers; each lags now."""
        for viewer in self._viewers[::-1]:
            self.remove(viewer)

    def send(self, data: bytes) -> None:
        """Send to all; remove each viewer whose socket did not accept everything."""
        size = len(data)
        short: list[tuple[Callable[[bytes], int], int]] = []
        for send in self._sends:
            try:
                accepted = send(data)
            except BlockingIOError:
                accepted = 0
            except OSError:
                accepted = BROKEN
            if accepted != size:
                short.append((send, accepted))
        for send, accepted in short:
            viewer = self._viewers[self._sends.index(send)]
            self.remove(viewer)
            finish_send(viewer, data, accepted)


def send_to(viewer: Recipient, data: bytes) -> None:
    """Send to one writable viewer; it leaves its group if its socket does not accept everything."""
    try:
        accepted = viewer.send(data)
    except BlockingIOError:
        accepted = 0
    except OSError:
        accepted = BROKEN
    if accepted != len(data):
        if isinstance(viewer.position, SendGroup):
            viewer.position.remove(viewer)
        finish_send(viewer, data, accepted)
