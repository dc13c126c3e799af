"""Tornado's HTTP server, with a response to every request that can get one.

Tornado responds to a malformed request with an empty 400 and closes the connection if a head is too
large; here both get an error as JSON. Request targets in absolute form are accepted. Errors of
sockets are counted instead of logged with a traceback.

This overrides private methods of Tornado (``_handle_events``, ``_do_ssl_handshake``,
``_parse_headers``, ``_read_body``, ``_server_request_loop``, ``_handle_connection``), so
pyproject.toml pins its minor version.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httpserver import HTTPServer, _HTTPRequestContext
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
    parse_request_start_line,
)
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError, UnsatisfiableReadError
from tornado.netutil import ssl_wrap_socket

from chat.core.reject import Code, Rejection, reject
from chat.core.responses import Failure
from chat.core.wire import encode
from chat.metrics import Metrics
from chat.web.connections import CLOSE_SECONDS
from chat.web.graceful_close import close_gracefully
from chat.web.request_queue import RequestQueue
from chat.web.request_stream import RequestStream

_ABSOLUTE = re.compile(r"https?://([^/?#]*)([^#]*)", re.IGNORECASE)

_log = logging.getLogger(__name__)


class Malformed(Exception):
    """A request cannot be parsed; the position of the next one on its connection is unknown."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.message)
        self.rejection = rejection


class _PeerStream(IOStream):
    """A peer's stream; calls ``on_error`` with the error that closes it.

    An attribute of the class: with one more of its own, each stream would need a dictionary of
    keys, which CPython shares among the instances of a class only up to 30.
    """

    on_error: Callable[[OSError], None]

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """Read the head of a request; of one over the limit, return what has arrived.

        Tornado would close the connection, so that the request would get no response.
        """
        if max_bytes is not None:
            regex = rb"(?s)%s|\A(?=.{%d})(?!.{,%d}%s).+" % (regex, max_bytes + 1, max_bytes, regex)
        return super().read_until_regex(regex)

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> Awaitable[bytes]:
        """Read a line; of one over the limit, return what has arrived, which is malformed."""
        return self.read_until_regex(re.escape(delimiter), max_bytes)

    def close(self, exc_info: Any = False) -> None:
        """Close, and report the error that is the reason."""
        if exc_info and not self.closed():
            error = exc_info if isinstance(exc_info, BaseException) else sys.exc_info()[1]
            if isinstance(error, OSError):
                self.on_error(error)
        super().close(exc_info)

    def _handle_events(self, fd: Any, events: int) -> None:
        try:
            super()._handle_events(fd, events)
        except OSError as error:
            self.close(error)


class _PlainStream(_PeerStream):
    pass


class _RequestStream(_PeerStream, RequestStream):
    pass


class _EncryptedStream(_PeerStream, RequestStream, SSLIOStream):
    """Begins its TLS handshake when it is its turn: the server's signature costs a millisecond."""

    handshake_queue: RequestQueue
    _turn: Awaitable[None] | None = None
    _has_turn = False

    def _do_ssl_handshake(self) -> None:
        if not self._has_turn and self._turn is None:
            self._turn = self.handshake_queue.wait()
            self._has_turn = self._turn is None
            if isinstance(self._turn, asyncio.Future):
                # The loop reports the socket as readable again in its next iteration.
                self._turn.add_done_callback(self._take_turn)
        if self._has_turn:
            super()._do_ssl_handshake()

    def _take_turn(self, _turn: asyncio.Future[None]) -> None:
        self._has_turn = True


class _RequestConnection(HTTP1Connection):
    """Reads one request; raises Malformed where Tornado would send an empty response."""

    def _parse_headers(self, data: bytes) -> tuple[str, HTTPHeaders]:
        if len(data) > self.params.max_header_size:
            raise Malformed(reject(Code.HEAD_TOO_LARGE))
        try:
            start_line, headers = super()._parse_headers(data)
            parse_request_start_line(start_line)
        except HTTPInputError:
            raise Malformed(reject(Code.BAD_REQUEST)) from None
        return start_line, headers

    def _read_body(
        self, code: int, headers: HTTPHeaders, delegate: HTTPMessageDelegate
    ) -> Awaitable[None] | None:
        try:
            reading = super()._read_body(code, headers, delegate)
        except HTTPInputError as error:
            raise _explain(error) from None
        return None if reading is None else _read_well_formed(reading)


async def _read_well_formed(reading: Awaitable[None]) -> None:
    try:
        await reading
    except HTTPInputError as error:
        raise _explain(error) from None


def _explain(error: HTTPInputError) -> Malformed:
    # Tornado's messages are "Content-Length too long" and "chunked body too large".
    is_too_large = " too l" in str(error)
    return Malformed(reject(Code.TOO_LARGE if is_too_large else Code.BAD_REQUEST))


class _ServerConnection(HTTP1ServerConnection):
    """Serves the requests of one connection in order."""

    def __init__(self, stream: IOStream, server: RequestServer, context: object) -> None:
        super().__init__(stream, server.conn_params, context)
        self._server = server

    async def _server_request_loop(self, delegate: HTTPServerConnectionDelegate) -> None:
        try:
            is_open = True
            while is_open:
                # A peer that has left needs no responses to its earlier requests.
                is_open = await self._serve_request(delegate) and not self.stream.closed()
                # Reading buffered requests does not yield to the loop.
                await asyncio.sleep(0)
        except Malformed as error:
            await self._refuse(error.rejection)
        except (StreamClosedError, UnsatisfiableReadError, asyncio.CancelledError):
            pass
        except OSError as error:
            self.stream.close(error)
        except Exception:
            _log.exception("a request failed")
            self.stream.close()
        finally:
            delegate.on_close(self)

    async def _serve_request(self, delegate: HTTPServerConnectionDelegate) -> bool:
        connection = _RequestConnection(self.stream, False, self.params, self.context)
        request = delegate.start_request(self, connection)
        return await connection.read_response(
            _Request(request, connection, self._server.request_queue)
        )

    async def _refuse(self, rejection: Rejection) -> None:
        start_line, headers, body = _build_refusal(rejection)
        lines = [f"HTTP/1.1 {start_line.code} {start_line.reason}"]
        lines += [f"{name}: {value}" for name, value in headers.get_all()]
        try:
            self.stream.write("\r\n".join([*lines, "", ""]).encode() + body)
        except StreamClosedError:
            return
        await close_gracefully(self.stream, CLOSE_SECONDS)


class _Request(HTTPMessageDelegate):
    """Passes a request to the application, with its target in origin form."""

    def __init__(
        self, request: HTTPMessageDelegate, connection: HTTPConnection, queue: RequestQueue
    ) -> None:
        self._request: HTTPMessageDelegate | None = request
        self._connection = connection
        self._queue = queue

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        assert isinstance(start_line, RequestStartLine)
        assert self._request is not None
        absolute = _ABSOLUTE.fullmatch(start_line.path)
        if absolute:
            # RFC 9112, section 3.2.2: the target overrides the Host header.
            path = absolute[2]
            path = path if path.startswith("/") else "/" + path
            start_line = start_line._replace(path=path)
            headers["Host"] = absolute[1]
        try:
            prepared = self._request.headers_received(start_line, headers)
            # A handler that streams the body may refuse it, or raise its limit, before it is read.
            return self._queue.wait() if prepared is None else prepared
        except HTTPInputError:
            # The request was parsed, but a value is invalid, such as the Host header.
            self._request = None
            is_head = start_line.method == "HEAD"
            status, headers, body = _build_refusal(reject(Code.BAD_REQUEST))
            self._connection.write_headers(status, headers, b"" if is_head else body)
            self._connection.finish()
            return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return None if self._request is None else self._request.data_received(chunk)

    def finish(self) -> None:
        if self._request is not None:
            self._request.finish()

    def on_connection_close(self) -> None:
        if self._request is not None:
            self._request.on_connection_close()


def _build_refusal(rejection: Rejection) -> tuple[ResponseStartLine, HTTPHeaders, bytes]:
    body = encode(Failure(rejection))
    status = HTTPStatus(rejection.status)
    headers = HTTPHeaders(
        {
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }
    )
    return ResponseStartLine("HTTP/1.1", status, status.phrase), headers, body


class RequestServer(HTTPServer):
    """Tornado's HTTP server with the connections of this module."""

    def initialize(self, *args: Any, metrics: Metrics, **kwargs: Any) -> None:  # type: ignore[override]
        """Tornado's hook: receive the constructor's arguments."""
        super().initialize(*args, **kwargs)
        self._metrics = metrics
        on_error = {"on_error": staticmethod(self._count_error)}
        self._plain_stream = type("PlainStream", (_PlainStream,), on_error)
        self._request_stream = type("RequestStream", (_RequestStream,), on_error)
        self.request_queue = RequestQueue()
        handshakes = RequestQueue()
        self._encrypted_stream = type(
            "EncryptedStream", (_EncryptedStream,), {**on_error, "handshake_queue": handshakes}
        )
        metrics.watch(
            "danmaku_waiting_tls_handshakes",
            "TLS handshakes that wait until others have been processed",
            lambda: len(handshakes),
        )
        metrics.watch(
            "danmaku_waiting_requests",
            "HTTP requests that wait until others have been processed",
            lambda: len(self.request_queue),
        )

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        """Tornado's hook: take an accepted socket."""
        try:
            stream = self._open_stream(connection)
        except OSError as error:
            # The peer has closed it already.
            self._count_error(error)
            connection.close()
            return
        try:
            self.handle_stream(stream, address)
        except Exception:
            _log.exception("a connection could not be handled")
            stream.close()

    def _open_stream(self, connection: socket.socket) -> IOStream:
        if self.ssl_options is None:
            return self._open(self._plain_stream, connection)
        encrypted = ssl_wrap_socket(
            connection, self.ssl_options, server_side=True, do_handshake_on_connect=False
        )
        return self._open(self._encrypted_stream, encrypted)

    def _open(self, kind: type[IOStream], connection: socket.socket) -> IOStream:
        return kind(
            connection, max_buffer_size=self.max_buffer_size, read_chunk_size=self.read_chunk_size
        )

    def _count_error(self, error: OSError) -> None:
        kind = "tls" if isinstance(error, ssl.SSLError) else "socket"
        self._metrics.peer_errors.labels(kind).inc()

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Serve the requests of a new connection; nothing was read from its stream yet."""
        if not isinstance(stream, SSLIOStream):
            stream = self._open(self._request_stream, stream.socket)
        context = _HTTPRequestContext(stream, address, self.protocol)
        connection = _ServerConnection(stream, self, context)
        self._connections.add(connection)
        connection.start_serving(self)
