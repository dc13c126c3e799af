"""One WebSocket of a client: opens it, reads messages, and detects a dead peer.

It never reconnects. It decodes messages, and needs to know only which of them are replies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from chat.core.wire import Ack, Held, Identity, Outgoing, Ping, Pong, Reject, Welcome, encode

MESSAGE_LIMIT = 8 * 1_024 * 1_024
NO_RESPONSE = 599  # Tornado's status when none came
# Any other message may be older than the question.
REPLIES = (Welcome, Pong, Ack, Held, Reject, Identity)

Connect = Callable[[HTTPRequest], Awaitable[WebSocketClientConnection]]
"""Opens a WebSocket; raises HTTPClientError or OSError if it cannot be opened."""

_outgoing = msgspec.json.Decoder(Outgoing)


class HandshakeRefused(Exception):
    """The server, or a proxy before it, responded to the handshake with a status other than 101."""

    def __init__(self, status: int, code: str, message: str, retry_after: float | None) -> None:
        super().__init__(f"{code}: {message}" if code else f"HTTP {status}")
        self.status = status
        self.code = code
        self.retry_after = retry_after


class _Reason(msgspec.Struct):
    code: str = ""
    message: str = ""
    retry_after: float | None = None


class _ErrorBody(msgspec.Struct):
    error: _Reason


class SocketLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds to the welcome, without a message until a ping, and for the reply to a ping."""

    connect: float
    quiet: float
    response: float


class Socket:
    """An open WebSocket."""

    def __init__(self, connection: WebSocketClientConnection, limits: SocketLimits) -> None:
        loop = asyncio.get_running_loop()
        self._connection = connection
        self._limits = limits
        self._dead: asyncio.Future[None] = loop.create_future()
        self._is_checking = True
        self._timer = loop.call_later(limits.connect, self._give_up)

    @property
    def close_code(self) -> int:
        """The code that it was closed with; 1006 without one."""
        return self._connection.close_code or 1006

    async def read(self) -> Outgoing | None:
        """Return the next message; None when the connection has ended or the peer is dead."""
        while (data := await self._read_text()) is not None:
            try:
                message: Outgoing = _outgoing.decode(data)
            except msgspec.ValidationError:
                continue  # a type that a newer server knows
            except msgspec.DecodeError:
                break  # not a server of ours
            self._is_checking = self._is_checking and not isinstance(message, REPLIES)
            limits = self._limits
            self._set_timer(limits.response if self._is_checking else limits.quiet)
            return message
        return None

    async def _read_text(self) -> str | bytes | None:
        reading = asyncio.ensure_future(self._connection.read_message())
        try:
            # Waited for and not cancelled: cancelling a read may lose its message.
            either: set[asyncio.Future[Any]] = {reading, self._dead}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else None
        finally:
            reading.cancel()

    def check(self) -> None:
        """Ping the server; ``read`` ends if it does not answer."""
        if not self._is_checking:
            self._is_checking = True
            self.send(encode(Ping()))
            self._set_timer(self._limits.response)

    def send(self, message: bytes) -> None:
        """Send a message; does nothing if the connection has ended, which ``read`` reports."""
        with contextlib.suppress(WebSocketClosedError):
            sending = asyncio.ensure_future(self._connection.write_message(message))
            sending.add_done_callback(_ignore_error)

    def close(self) -> None:
        """Close it; does nothing the second time."""
        self._timer.cancel()
        self._connection.close(1000)

    def _set_timer(self, seconds: float) -> None:
        self._timer.cancel()
        due = self._give_up if self._is_checking else self.check
        self._timer = asyncio.get_running_loop().call_later(seconds, due)

    def _give_up(self) -> None:
        if not self._dead.done():
            self._dead.set_result(None)


def _ignore_error(sending: asyncio.Future[None]) -> None:
    # The connection broke before everything was written. Retrieved, or asyncio would log it.
    if not sending.cancelled():
        sending.exception()


def connect_websocket(request: HTTPRequest) -> Awaitable[WebSocketClientConnection]:
    """Open a WebSocket over the network."""
    return websocket_connect(request, max_message_size=MESSAGE_LIMIT)


async def open_socket(
    url: str, limits: SocketLimits, connect: Connect = connect_websocket
) -> Socket:
    """Open a WebSocket. Raises HandshakeRefused, or OSError if no response arrives."""
    request = HTTPRequest(url, connect_timeout=limits.connect, request_timeout=limits.connect)
    try:
        connection = await connect(request)
    except HTTPClientError as error:
        if error.code == NO_RESPONSE or error.response is None:
            raise ConnectionError(str(error)) from error
        raise _read_refusal(error.code, error.response.body) from error
    except WebSocketClosedError as error:
        raise ConnectionError(str(error)) from error
    return Socket(connection, limits)


def _read_refusal(status: int, body: bytes) -> HandshakeRefused:
    try:
        reason = msgspec.json.decode(body, type=_ErrorBody).error
    except msgspec.DecodeError:
        reason = _Reason()
    return HandshakeRefused(status, reason.code, reason.message, reason.retry_after)
