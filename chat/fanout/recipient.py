"""What the fan-out knows of a viewer with a long-lived connection, and how it sends to one."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable
from typing import Protocol

BROKEN = -1
"""In place of the number of bytes that were accepted: the socket failed."""

_log = logging.getLogger(__name__)


class ViewerState(enum.Enum):
    """Where a viewer is in its life; only ``Members`` changes it.

    JOINING: not a viewer of the room yet. FOLLOWING: gets every wave, in a group or by itself.
    PAUSED: gets nothing until it resumes. LEFT: not a viewer any more, for good.
    """

    JOINING = enum.auto()
    FOLLOWING = enum.auto()
    PAUSED = enum.auto()
    LEFT = enum.auto()


class Position:
    """What a viewer was sent: the seq of its last entry, and the version of the last count."""

    __slots__ = ("count_version", "cursor")

    def __init__(self, cursor: int = 0, count_version: int = 0) -> None:
        self.cursor = cursor
        self.count_version = count_version


class Recipient(Protocol):
    """A viewer as the fan-out sees it.

    ``encoding`` selects which frames it gets. ``position`` is its own while it lags, and a
    ``SendGroup`` that it shares while it keeps up. While ``writable``, nothing waits in front of
    the socket, and ``send`` hands bytes to the kernel and returns how many it took, raising
    BlockingIOError or another OSError as ``socket.send`` does. ``is_plain_socket`` when ``send``
    does that and nothing else: only such a viewer may be in a group.
    """

    state: ViewerState
    position: Position
    encoding: int
    writable: bool
    is_plain_socket: bool
    send: Callable[[bytes], int]

    def buffer_tail(self, tail: memoryview) -> None:
        """Write what the kernel did not take, in order; ``writable`` is False until that is out."""

    def abort(self) -> None:
        """Drop a broken connection."""


def finish_send(viewer: Recipient, data: bytes, accepted: int) -> None:
    """Handle what a viewer's socket did not take; the viewer is not in a group."""
    if accepted == BROKEN:
        viewer.abort()
        return
    try:
        viewer.buffer_tail(memoryview(data)[accepted:])
    except Exception:
        # The wave goes on to the others; a frame that was cut off cannot be continued.
        _log.exception("the unsent tail of a frame could not be buffered")
        viewer.abort()
