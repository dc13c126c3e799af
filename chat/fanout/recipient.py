"""The interface of a viewer with a long-lived connection to the fan-out."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from typing import Protocol

BROKEN = -1
"""Stands for the number of accepted bytes when the socket failed."""

_log = logging.getLogger(__name__)


class ViewerState(enum.Enum):
    """The state of a viewer; only ``Members`` changes it.

    JOINING: not added to the room yet. FOLLOWING: gets every wave, in a group or by itself.
    PAUSED: gets nothing until it resumes. LEFT: removed for good.
    """

    JOINING = enum.auto()
    FOLLOWING = enum.auto()
    PAUSED = enum.auto()
    LEFT = enum.auto()


class Position:
    """What a viewer was sent last: the seq of an entry, and the version of the count."""

    __slots__ = ("count_version", "cursor")

    def __init__(self, cursor: int = 0, count_version: int = 0) -> None:
        self.cursor = cursor
        self.count_version = count_version


class Recipient(Protocol):
    """A viewer as the fan-out sees it.

    ``encoding`` selects which frames it gets. ``position`` is its own while it lags, and a
    ``SendGroup`` that it shares while it keeps up. While ``writable``, no unsent bytes are
    buffered, and ``send`` passes bytes to the kernel and returns how many were accepted; it raises
    BlockingIOError or another OSError as ``socket.send`` does. ``is_plain_socket`` if ``send`` is
    the socket's own method: only such a viewer may be in a group.
    """

    state: ViewerState
    position: Position
    encoding: int
    writable: bool
    is_plain_socket: bool
    send: Callable[[bytes], int]

    def buffer_tail(self, tail: memoryview) -> None:
        """Buffer and write bytes that the kernel did not accept; not ``writable`` until done."""

    def abort(self) -> None:
        """Close a broken connection at once."""


def finish_send(viewer: Recipient, data: bytes, accepted: int) -> None:
    """Handle a send that was not complete; the viewer is not in a group any more."""
    if accepted == BROKEN:
        viewer.abort()
        return
    try:
        viewer.buffer_tail(memoryview(data)[accepted:])
    except Exception:
        # The wave continues with the others; this connection cannot continue after half a frame.
        _log.exception("the unsent tail of a frame could not be buffered")
        viewer.abort()
