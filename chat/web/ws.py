"""The WebSocket handshake (RFC 6455, section 4) on Tornado's handler, and nothing after it.

Once the upgrade is answered the stream belongs to a ``Connection``, and the handler, its request
and its headers can be freed: they are most of what an idle viewer would cost.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from tornado.websocket import WebSocketHandler, WebSocketProtocol13

from chat.core import wire
from chat.core.reject import reject
from chat.web.handler import Handler, Refused

HISTORY_DEFAULT = 50
HISTORY_MOST = 300


class RoomSocket(Handler, WebSocketHandler):
    """``GET /ws/{room}?name=…&cursor=epoch:seq&history=50``: follow a room over WebSocket."""

    async def get(self, *args: Any, **_kwargs: Any) -> None:
        """Upgrade, and hand the stream over."""
        self.check_origin_of_page()
        key = self._check_handshake()
        raw_cursor = self.get_query_argument("cursor", None)
        cursor = None if raw_cursor is None else self.require(wire.parse_cursor(raw_cursor))
        recent = self._read_history()
        author = self.require(self.house.guests.arrive(self.get_query_argument("name", None)))
        opened = await self.open_room(args[0])
        stream = self.detach()
        stream.set_nodelay(True)
        stream.write(_accept(key))
        self.house.connections.open(stream, opened, author, cursor, recent)

    def _check_handshake(self) -> str:
        headers = self.request.headers
        connection = headers.get("Connection", "").lower().split(",")
        key = headers.get("Sec-WebSocket-Key", "")
        if (
            headers.get("Upgrade", "").lower() != "websocket"
            or "upgrade" not in map(str.strip, connection)
            or headers.get("Sec-WebSocket-Version") != "13"
            or not _is_key(key)
        ):
            self.set_header("Sec-WebSocket-Version", "13")
            self.set_header("Upgrade", "websocket")
            raise Refused(reject("not_a_websocket"))
        return key

    def _read_history(self) -> int:
        raw = self.get_query_argument("history", None)
        if raw is None:
            return HISTORY_DEFAULT
        if not (raw.isdecimal() and raw.isascii() and int(raw[:9]) <= HISTORY_MOST):
            raise Refused(
                reject("bad_parameter", detail=f"history is a number from 0 to {HISTORY_MOST}")
            )
        return int(raw)

    def on_message(self, message: str | bytes) -> None:
        """Never called: messages go to the ``Connection``."""
        raise NotImplementedError


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _accept(key: str) -> bytes:
    accept = WebSocketProtocol13.compute_accept_value(key)
    return (
        "HTTP/1.1 101 Switching Protocols\r\n"
        "Upgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    ).encode("ascii")
