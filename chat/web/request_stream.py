"""The stream of an HTTP connection whose peer may end its side before it has the answer.

A client may shut down its sending side once its request is sent, and wait for the answer (RFC 9112,
9.6). Tornado's stream takes that for the end of the connection, and the answer is lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream


class RequestStream(IOStream):
    """Stays open when the peer has ended its side while its answer is due.

    It is closed when the server reads on, for the next request. A peer that is gone altogether
    looks the same until something is written to it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._peer_has_ended = False
        self._on_peer_end: Callable[[], None] | None = None

    def set_peer_end_callback(self, callback: Callable[[], None] | None) -> None:
        """Call back when the peer has ended its side, so that no answer is delayed for it."""
        self._on_peer_end = callback

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Read what there is; an end that nobody waits for is no end yet."""
        size = super().read_from_fd(buf)
        if size != 0 or self.reading():
            return size
        self._peer_has_ended = True
        if self._on_peer_end is not None:
            self.io_loop.add_callback(self._on_peer_end)
            self._on_peer_end = None
        return None

    def _handle_events(self, fd: Any, events: int) -> None:
        super()._handle_events(fd, events)
        if self._peer_has_ended and not self.closed() and not self.reading():
            # The end stays readable: who listens for it is called again and again.
            state = (self._state or 0) & ~IOLoop.READ
            if state != self._state:
                self._state = state
                self.io_loop.update_handler(self.fileno(), state)

    def _maybe_add_error_listener(self) -> None:
        if not self._peer_has_ended:
            super()._maybe_add_error_listener()
