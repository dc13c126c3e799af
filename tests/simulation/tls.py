"""A stand-in for TLS: plain bytes, with the interface and the errors of ``ssl.SSLSocket``.

The server then has streams that only they can write to, as with real certificates.
"""

from __future__ import annotations

import ssl
from typing import Any

from tests.simulation.network import SimulatedSocket


class TlsLikeSocket:
    """Takes and gives plain bytes with the interface and the errors of ``ssl.SSLSocket``."""

    def __init__(self, plain: SimulatedSocket) -> None:
        self._plain = plain

    def __getattr__(self, name: str) -> Any:
        return getattr(self._plain, name)

    def do_handshake(self) -> None:
        self._plain._check_open()

    def recv_into(self, buffer: Any, size: int = 0) -> int:
        try:
            return self._plain.recv_into(buffer, size)
        except BlockingIOError:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "no record") from None

    def send(self, data: Any) -> int:
        try:
            return self._plain.send(data)
        except BlockingIOError:
            raise ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "buffer full") from None


class TlsLikeContext(ssl.SSLContext):
    """Wraps a simulated socket, so that the server has a stream that only it can write to."""

    def wrap_socket(self, sock: Any, *_args: Any, **_options: Any) -> Any:
        return TlsLikeSocket(sock)
