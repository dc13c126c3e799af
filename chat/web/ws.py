"""The two ways to upgrade to WebSocket; after both, the stream belongs to a ``Connection``.

``RoomSocket`` is Tornado's handler and handles every request. ``FastUpgradeServer`` handles the
most frequent kind, a plain upgrade to an open room, before Tornado reads it: it parses the head
itself, where Tornado would create a request, a handler and two dozen other objects. That is three
to four times as fast (``make bench ARGS=upgrades``), which counts when all viewers reconnect at
once. It passes all other requests to Tornado.
"""

from __future__ import annotations

import re
import socket
from typing import Any

from tornado.iostream import IOStream, SSLIOStream
from tornado.websocket import WebSocketHandler

from chat.core.handshake import PREFIX, Upgrade, compile_head, parse_head, read_target, read_upgrade
from chat.core.reject import Rejection
from chat.web.handler import Handler, Refused, Services
from chat.web.http_server import RequestServer
from chat.web.upgrade import authorize_upgrade, explain_refusal

PEEK_BYTES = 4_096
UPGRADE_REQUIRED = 426
DEFER_ACCEPT_SECONDS = 2
HEALTH_DESCRIPTORS = 48
HEALTH_REQUEST = rb"(GET|HEAD) (?:%s)?/(healthz|readyz|metrics)[? ]"


class RoomSocket(Handler, WebSocketHandler):
    """``GET /ws/{room}?name=…&cursor=epoch:seq&history=50``: follow a room over WebSocket.

    After the upgrade the stream is detached from Tornado and belongs to a ``Connection``, because
    a Tornado handler keeps 15 KiB a viewer in memory where a ``Connection`` keeps 5.6. Its
    ``write_message`` takes 57 µs a write, where one ``socket.send`` of a frame that was built once
    for all viewers takes 12.8. Each viewer would also have its own compressor and ping timer.
    """

    SUPPORTED_METHODS = ("GET",)

    async def get(self, *_args: Any, **_kwargs: Any) -> None:
        """Upgrade, and pass the stream to a ``Connection``."""
        request, caller = self.request, self.caller
        path, mark, query = (request.uri or "").partition("?")
        target = PREFIX + path.rpartition("/")[2] + mark + query  # without the base path
        if "upgrade" not in request.headers:
            await self.require_budget(self.services.peers.admit_request(caller.address))
            asked = self.require(read_target(target, request.headers))
            raise Refused(explain_refusal(self.services, asked, caller))
        upgrade = self.require(read_upgrade(target, request.headers, request.version))
        author = await self.require_budget(authorize_upgrade(self.services, upgrade, caller))
        room = await self.open_room(upgrade.room)
        self.services.connections.open(self.detach(), room, author, upgrade, caller.address)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Refuse; with 426, name the supported version (RFC 6455, section 4.4).

        Pages of any origin may read the response: it contains only the reason.
        """
        self.set_header("Access-Control-Allow-Origin", "*")
        if status_code == UPGRADE_REQUIRED:
            self.set_header("Connection", "Upgrade")
            self.set_header("Upgrade", "websocket")
            self.set_header("Sec-WebSocket-Version", "13")
        super().write_error(status_code, **kwargs)


class FastUpgradeServer(RequestServer):
    """The HTTP server, with a fast path for upgrades to rooms that are open.

    The fast path only accepts; upgrades that have to be refused are passed to the handler. It is
    for plain connections: under TLS the head cannot be peeked at, and the TLS handshake costs far
    more than the fast path would save.
    """

    def initialize(  # type: ignore[override]
        self, *args: Any, services: Services, descriptor_limit: int, **kwargs: Any
    ) -> None:
        """Tornado's hook: receive the constructor's arguments."""
        super().initialize(*args, metrics=services.metrics, **kwargs)
        self._services = services
        self._descriptor_limit = descriptor_limit
        base_path = services.settings.base_path
        self._beginnings = (f"GET {PREFIX}".encode(), f"GET {base_path}{PREFIX}".encode())
        self._head = compile_head(base_path)
        self._health = re.compile(HEALTH_REQUEST % re.escape(base_path.encode()))

    def add_sockets(self, sockets: Any) -> None:
        """Listen; on Linux, accept a connection only once its first data has arrived."""
        for listener in sockets:
            if hasattr(socket, "TCP_DEFER_ACCEPT"):
                listener.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT_SECONDS
                )
        super().add_sockets(sockets)

    def handle_stream(self, stream: IOStream, address: tuple[Any, ...]) -> None:
        """Serve a new connection, unless file descriptors run out.

        A new descriptor has the lowest free number, so a high number means that most are in use.
        At the limit itself ``accept`` would fail and be retried in a busy loop. A full server
        reserves some of the last descriptors for health checks and metrics.
        """
        number = stream.socket.fileno()
        if number >= self._descriptor_limit and not (
            number < self._descriptor_limit + HEALTH_DESCRIPTORS and self._asks_for_health(stream)
        ):
            self._services.metrics.connections_refused.inc()
            stream.close()
            return
        if not isinstance(stream, SSLIOStream) and self._upgrade(stream, str(address[0])):
            return
        if not self._services.callers.is_proxy(address[0]) and not (
            self._services.peers.add_http_connection(address[0])
        ):
            stream.close()
            return
        super().handle_stream(stream, address)

    def on_close(self, server_conn: Any) -> None:
        """Tornado's hook: a connection has ended, or was detached for WebSocket."""
        super().on_close(server_conn)
        address = server_conn.context.address[0]
        if not self._services.callers.is_proxy(address):
            self._services.peers.remove_http_connection(address)

    def _upgrade(self, stream: IOStream, address: str) -> bool:
        """Upgrade a connection on the fast path; return False if it is for the handler."""
        try:
            data = stream.socket.recv(PEEK_BYTES, socket.MSG_PEEK)
        except OSError:
            return False
        if not data.startswith(self._beginnings):
            return False
        head = parse_head(data, self._head)
        if head is None or not head[1].get("host"):
            return False
        upgrade = read_upgrade(*head)
        if not isinstance(upgrade, Upgrade):
            return False
        room = self._services.hub.find_room(upgrade.room)
        if room is None:
            return False
        caller = self._services.callers.identify(address, head[1])
        author = authorize_upgrade(self._services, upgrade, caller)
        if isinstance(author, Rejection):
            return False
        stream.socket.recv(len(data))
        self._services.connections.open(stream, room, author, upgrade, caller.address)
        return True

    def _asks_for_health(self, stream: IOStream) -> bool:
        try:
            return bool(self._health.match(stream.socket.recv(PEEK_BYTES, socket.MSG_PEEK)))
        except OSError:
            return False
