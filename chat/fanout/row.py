"""The one way bytes reach viewers: one at a time, or a whole row of them.

It sends, and lets those step out of their row who did not take everything. It decides nothing about
what is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

ROW_LIMIT = 64
BROKEN = -1

_log = logging.getLogger(__name__)


class Viewer(Protocol):
    """What the fan-out knows of a viewer with a long-lived connection.

    ``variant`` is which of the frames it gets. While ``ready``, nothing waits in front of the
    socket, and ``send`` hands bytes to the kernel and returns how many it took, raising
    BlockingIOError or another OSError as ``socket.send`` does. ``direct`` when ``send`` does that
    and nothing else: only such a viewer may stand in a ``row``. ``cursor`` is the seq of the last
    entry handed to the connection, ``news_number`` the number of the last news of its audience; in
    a row both are the row's.
    """

    cursor: int
    news_number: int
    variant: int
    ready: bool
    direct: bool
    row: Row | None
    send: Callable[[bytes], int]

    def spill(self, tail: memoryview) -> None:
        """Write what the kernel did not take, in order; ``ready`` is False until it drained."""

    def abandon(self) -> None:
        """Let a broken connection go."""


class Row:
    """Viewers who stand abreast: all of them ready, at one place, and sent the same bytes.

    A wave touches nothing of theirs but ``send``, so that a viewer costs little more than the
    kernel's work. ``apart`` is where those are put who step out.
    """

    __slots__ = ("_apart", "_sends", "_viewers", "cursor", "news_number", "variant")

    def __init__(
        self, cursor: int, news_number: int, variant: int, apart: dict[Viewer, None]
    ) -> None:
        self.cursor = cursor
        self.news_number = news_number
        self.variant = variant
        self._apart = apart
        self._viewers: list[Viewer] = []
        self._sends: list[Callable[[bytes], int]] = []

    def __len__(self) -> int:
        return len(self._viewers)

    def take_in(self, viewer: Viewer) -> None:
        """Let a viewer in that stands at this row's place."""
        viewer.row = self
        self._viewers.append(viewer)
        self._sends.append(viewer.send)

    def step_out(self, viewer: Viewer) -> None:
        """Let a viewer go its own way, from where the row is."""
        place = self._viewers.index(viewer)
        viewer.row = None
        viewer.cursor, viewer.news_number = self.cursor, self.news_number
        # The last takes the place, so that nobody else moves.
        self._viewers[place] = self._viewers[-1]
        self._sends[place] = self._sends[-1]
        del self._viewers[-1], self._sends[-1]
        self._apart[viewer] = None

    def dissolve(self) -> None:
        """Let all step out."""
        for viewer in self._viewers[::-1]:
            self.step_out(viewer)

    def send(self, data: bytes) -> None:
        """Send to all; this is the loop that every delivery goes through."""
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
            _finish(self._viewers[self._sends.index(send)], data, accepted)


def push(viewer: Viewer, data: bytes) -> None:
    """Send to one viewer, which is ready."""
    try:
        accepted = viewer.send(data)
    except BlockingIOError:
        accepted = 0
    except OSError:
        accepted = BROKEN
    if accepted != len(data):
        _finish(viewer, data, accepted)


def _finish(viewer: Viewer, data: bytes, accepted: int) -> None:
    if viewer.row is not None:
        viewer.row.step_out(viewer)
    if accepted == BROKEN:
        viewer.abandon()
        return
    try:
        viewer.spill(memoryview(data)[accepted:])
    except Exception:
        # Its wave goes on to the others; a frame that was cut off can only be given up.
        _log.exception("what a viewer did not take could not be kept for it")
        viewer.abandon()
