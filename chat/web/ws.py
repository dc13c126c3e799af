"""The two doors to a room over WebSocket; behind both, the stream belongs to a ``Connection``.

``RoomSocket`` is Tornado's handler and takes every request there is. ``Gate`` stands before it for
the plainest one, which is what a whole audience sends at once after a loss: it reads that head
itself, where Tornado would build a request, a handler and two dozen objects around it, and lets
everything else pass.
"""

from __future__ import annotations

import socket
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, SSLIOStream
from tornado.websocket import WebSocketHandler

from chat.core.handshake import PREFIX, Upgrade, parse_head, read_upgrade
from chat.core.reject import Rejection, reject
from chat.open_room import OpenRoom
from chat.web.handler import Handler, House, Refused
from chat.web.origin import is_allowed_origin

PEEK_BYTES = 4_096
UPGRADE_REQUIRED = 426
DEFER_ACCEPT_SECONDS = 2


class RoomSocket(Handler, WebSocketHandler):
    """``GET /ws/{room}?name=…&cursor=epoch:seq&history=50``: follow a room over WebSocket."""

    async def get(self, *_args: Any, **_kwargs: Any) -> None:
        """Upgrade, and hand the stream over."""
        upgrade = read_upgrade(self.request.uri or "", self.request.headers)
        if isinstance(upgrade, Rejection):
            raise Refused(upgrade)
        if not _may_connect(self.house, upgrade):
            raise Refused(reject("forbidden_origin"))
        author = self.require(self.house.guests.arrive(upgrade.name))
        opened = await self.open_room(upgrade.room)
        self.house.connections.open(self.detach(), opened, author, upgrade)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Refuse, and tell who tried another version which one this is (RFC 6455, 4.4)."""
        if status_code == UPGRADE_REQUIRED:
            self.set_header("Upgrade", "websocket")
            self.set_header("Sec-WebSocket-Version", "13")
        super().write_error(status_code, **kwargs)

    async def head(self, *_args: str) -> None:
        """Refuse: an upgrade is asked for with GET."""
        raise Refused(reject("method_not_allowed"))

    def on_message(self, message: str | bytes) -> None:
        """Never called: messages go to the ``Connection``."""
        raise NotImplementedError


class Gate(HTTPServer):
    """Tornado's HTTP server, with a short way for the upgrade of a room that is open.

    Only what is accepted goes the short way; whatever is to be refused is refused by the handler.
    """

    def initialize(  # type: ignore[override]
        self, *args: Any, house: House, descriptor_limit: int, **kwargs: Any
    ) -> None:
        """Take what the server is made of."""
        super().initialize(*args, **kwargs)
        self._house = house
        self._descriptor_limit = descriptor_limit

    def add_sockets(self, sockets: Any) -> None:
        """Listen; the kernel hands a connection over when it has said something."""
        for listener in sockets:
            if hasattr(socket, "TCP_DEFER_ACCEPT"):
                listener.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT_SECONDS
                )
        super().add_sockets(sockets)

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Take a new connection, unless that would take the last descriptors.

        The kernel gives out the lowest number that is free, so a high one says how many are taken.
        Accepting at the limit itself would fail, and be tried again at once, for ever.
        """
        if stream.socket.fileno() >= self._descriptor_limit:
            self._house.metrics.turned_away.inc()
            stream.close()
            return
        if isinstance(stream, SSLIOStream) or not self._take(stream):
            super().handle_stream(stream, address)

    def _take(self, stream: IOStream) -> bool:
        try:
            data = stream.socket.recv(PEEK_BYTES, socket.MSG_PEEK)
        except OSError:
            return False
        if not data.startswith(b"GET " + PREFIX.encode()):
            return False
        head = parse_head(data)
        upgrade = None if head is None else read_upgrade(*head)
        if not isinstance(upgrade, Upgrade) or not upgrade.host:
            return False
        if not _may_connect(self._house, upgrade):
            return False
        opened: OpenRoom | None = self._house.hub.find_room(upgrade.room)
        author = self._house.guests.arrive(upgrade.name)
        if opened is None or isinstance(author, Rejection):
            return False
        stream.socket.recv(len(data))
        self._house.connections.open(stream, opened, author, upgrade)
        return True


def _may_connect(house: House, upgrade: Upgrade) -> bool:
    return is_allowed_origin(upgrade.origin, upgrade.host, house.settings.allowed_origins)
