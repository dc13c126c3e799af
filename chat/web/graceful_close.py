"""Closes a connection without losing the last bytes that were sent on it.

Closing a socket with unread data resets the connection, and the peer loses what it has not read
yet. So the server sends a FIN after its last bytes, reads until the peer closes too, and only then
closes (RFC 6455, section 7.1.1; RFC 9112, section 9.6).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from functools import partial

from tornado.iostream import IOStream, StreamClosedError

DISCARD_LIMIT = 1_024 * 1_024
_CHUNK = 4_096


def end_sending(stream: IOStream, seconds: float) -> None:
    """Send a FIN once all data is written; close after ``seconds`` at the latest."""
    asyncio.get_running_loop().call_later(seconds, stream.close)
    try:
        stream.write(b"").add_done_callback(partial(_shut_down, stream))
    except StreamClosedError:
        return


async def read_to_end(stream: IOStream) -> None:
    """Discard what the peer still sends until it closes, at most ``DISCARD_LIMIT`` bytes; close."""
    left = DISCARD_LIMIT
    try:
        while left > 0:
            left -= len(await stream.read_bytes(_CHUNK, partial=True))
            # Reading buffered data does not yield to the loop.
            await asyncio.sleep(0)
    except OSError:
        pass  # the peer has closed, or the timer closed the stream
    finally:
        stream.close()


async def close_gracefully(stream: IOStream, seconds: float) -> None:
    """End a connection whose last bytes were written; nothing else may read from it."""
    end_sending(stream, seconds)
    await read_to_end(stream)


def _shut_down(stream: IOStream, written: asyncio.Future[None]) -> None:
    if written.cancelled() or written.exception() is not None or stream.closed():
        return
    try:
        if isinstance(stream.socket, ssl.SSLSocket):
            # Sends a close_notify, and raises because the peer has not replied yet.
            with contextlib.suppress(OSError):
                stream.socket.unwrap()
            # The plain socket's method: that of SSLSocket would also end reading.
            socket.socket.shutdown(stream.socket, socket.SHUT_WR)
        else:
            stream.socket.shutdown(socket.SHUT_WR)
    except OSError:
        stream.close()
