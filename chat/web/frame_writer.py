"""The writing half of a viewer's connection: the fan-out's ``Recipient`` over a Tornado stream.

While nothing waits in the stream, bytes go straight to the kernel; what the kernel does not take,
the stream buffers and writes later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from tornado.iostream import IOStream, SSLIOStream, StreamBufferFullError, StreamClosedError

from chat.core import frames, wire
from chat.core.reject import Closing
from chat.fanout.batch_cache import build_text_frame
from chat.fanout.recipient import Position, ViewerState
from chat.fanout.send_group import send_to
from chat.room import Room
from chat.web.graceful_close import end_sending

if TYPE_CHECKING:
    from chat.web.connections import Connections

TAIL_CHUNK = 16 * 1_024


class FrameWriter:
    """Writes frames to one viewer, and closes its stream.

    ``state`` is JOINING until the hub has added the viewer to the room, and LEFT as soon as the
    server has sent its close frame or the connection broke. ``awaits_pong``: nothing was received
    since the last ping. ``progress_at``: when the stream last wrote, on the monotonic clock.
    """

    __slots__ = (
        "_connections",
        "_handshake_response",
        "_owes_pong",
        "_room",
        "_stream",
        "awaits_pong",
        "encoding",
        "is_plain_socket",
        "position",
        "progress_at",
        "send",
        "state",
        "writable",
    )

    def __init__(
        self,
        stream: IOStream,
        connections: Connections,
        room: Room,
        handshake_response: bytes,
        encoding: int,
    ) -> None:
        # Sent together with the first message.
        self._handshake_response = handshake_response
        self._stream = stream
        self._connections = connections
        self._room = room
        self.state = ViewerState.JOINING
        self.position = Position()
        self.encoding = encoding
        self.awaits_pong = False
        self._owes_pong = False
        self.progress_at = 0.0
        self.writable = not stream.writing()
        self.is_plain_socket = not isinstance(stream, SSLIOStream)
        self.send: Callable[[bytes], int] = (
            stream.socket.send if self.is_plain_socket else self._send_encrypted
        )

    def _take_handshake_response(self) -> bytes:
        response, self._handshake_response = self._handshake_response, b""
        return response

    def send_message(self, message: wire.Outgoing) -> None:
        """Frame a message and send it to this viewer alone."""
        self.send_frame(build_text_frame(wire.encode(message)))

    def send_frame(self, data: bytes) -> None:
        """Send encoded frames to this viewer alone."""
        if self.state is ViewerState.LEFT:
            return
        if self.writable:
            send_to(self, data)
        else:
            self._write(data)

    def buffer_tail(self, tail: memoryview) -> None:
        """Let the stream write what the kernel did not take."""
        self.writable = False
        # In pieces: the stream reports when each is written, and that counts as progress.
        for start in range(0, len(tail), TAIL_CHUNK):
            self._write(tail[start : start + TAIL_CHUNK])

    def _write(self, data: bytes | memoryview) -> None:
        try:
            self._stream.write(data).add_done_callback(self._on_written)
        except (StreamClosedError, StreamBufferFullError):
            self.abort()
            return
        # Under TLS everything goes through the stream, which mostly writes it at once.
        if self._stream.writing() and self not in self._connections.stalled:
            self._connections.stalled[self] = None
            self.progress_at = self._connections.clock.monotonic()

    def _on_written(self, _written: asyncio.Future[None]) -> None:
        self.progress_at = self._connections.clock.monotonic()
        if self.writable or self.state is ViewerState.LEFT or self._stream.writing():
            return
        if self._stream.closed():
            # The connection broke. No read reports it: a peer that does not read is not read.
            self.abort()
            return
        self._connections.stalled.pop(self, None)
        self.writable = True
        self._on_drained()

    def _on_drained(self) -> None:
        """Continue when the stream has written everything."""
        self._room.catch_up(self)

    def _send_encrypted(self, data: bytes) -> int:
        # Only the stream can write TLS records, so all of the data is a tail.
        self.buffer_tail(memoryview(data))
        return len(data)

    def ping(self) -> None:
        """Send a ping, unless unsent bytes wait in the stream."""
        if self.writable and not self._handshake_response:
            self.awaits_pong = self._owes_pong = True
            send_to(self, frames.PING_FRAME)

    # --- closing --------------------------------------------------------------------------------

    def close_gracefully(self, closing: Closing, reconnect_after: float | None) -> None:
        """Send ``bye`` and a close frame; the stream is closed once the peer has closed its side.

        It is closed after ``close_seconds`` at the latest. ``reconnect_after`` is in seconds, None
        if the client should not reconnect.
        """
        if self.state is ViewerState.LEFT:
            return
        bye = wire.encode(wire.Bye(closing.code, closing.message, reconnect_after))
        last = build_text_frame(bye) + frames.build_close(closing.code, closing.message)
        self._end(self._take_handshake_response() + last)
        self._connections.metrics.closed.labels(str(closing.code)).inc()

    def _end(self, last: bytes) -> None:
        """Send the last frames; what the peer sends from now on is discarded."""
        self.send_frame(last)
        self._leave()
        end_sending(self._stream, self._connections.close_seconds)

    def abort(self) -> None:
        """Close the stream without a close frame."""
        self._leave()
        self._stream.close()

    def _leave(self) -> None:
        self._connections.hub.leave(self._room, self)
        self._connections.stalled.pop(self, None)
        self.writable = False
