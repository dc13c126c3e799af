"""A stream that notices what becomes of its peer while a response is due.

A client may shut down its sending side once its request is sent (RFC 9112, section 9.6): Tornado's
stream would close the connection, and the response would be lost. A client may break the connection
after it has sent more requests ahead: Tornado's stream would not notice before it reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

AHEAD_LIMIT = 16 * 1_024


class RequestStream(IOStream):
    """Stays open when the peer shuts down its sending side while a response is due.

    It is closed when the server reads the next request. A peer that has closed its socket looks the
    same until something is written to it. Up to ``AHEAD_LIMIT`` bytes of further requests are read
    meanwhile.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._peer_has_ended = False
        self._on_peer_end: Callable[[], None] | None = None

    def set_peer_end_callback(self, callback: Callable[[], None] | None) -> None:
        """Call ``callback`` when the peer shuts down its side, so that a long poll can end."""
        self._on_peer_end = callback

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """Tornado's hook: read; the end of the data closes the stream only during a read."""
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
        if not self._may_read_ahead() and not self.closed() and not self.reading():
            # The socket stays readable: the loop would call this handler all the time.
            state = (self._state or 0) & ~IOLoop.READ
            if state != self._state:
                self._state = state
                self.io_loop.update_handler(self.fileno(), state)

    def _maybe_add_error_listener(self) -> None:
        is_idle = self._state is None or self._state == IOLoop.ERROR
        if is_idle and self._close_callback is not None and self._may_read_ahead():
            self._add_io_state(IOLoop.READ)

    def _may_read_ahead(self) -> bool:
        return not self._peer_has_ended and self._read_buffer_size < AHEAD_LIMIT
