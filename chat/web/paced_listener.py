"""A listening socket that accepts a few connections in each iteration of the event loop.

Tornado accepts 128 at once, and each costs a handshake: everything else would wait for all of them.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any

ACCEPTS_PER_ITERATION = 16


class PacedListener(socket.socket):
    """Takes over a listening socket; ``accept`` raises BlockingIOError when it is to wait.

    The loop reports a socket with waiting connections again in its next iteration.
    """

    _left = ACCEPTS_PER_ITERATION
    _is_scheduled = False

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(fileno=listener.detach())
        self.setblocking(False)

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection, unless this iteration has accepted enough."""
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._begin_iteration)
        if self._left == 0:
            raise BlockingIOError
        self._left -= 1
        return super().accept()

    def _begin_iteration(self) -> None:
        self._left = ACCEPTS_PER_ITERATION
        self._is_scheduled = False
