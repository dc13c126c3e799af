"""Opens many WebSocket connections at once, keeps them open, and answers pings.

Not the load tester: the request's headers can be chosen, and what is received is only counted. One
epoll loop, in this process, on the load's core.
"""

from __future__ import annotations

import select
import socket
import time

from chat.core.frames import PING_FRAME, PONG, build_masked

MAX_IN_FLIGHT = 256  # handshakes
SOURCE_ADDRESSES = 250  # of loopback, so that local ports last
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: the kernel chooses the port by the whole four-tuple
SILENCE_SECONDS = 10.0
PONG_FRAME = build_masked(PONG, b"", mask=b"mask")
HEAD_END = b"\r\n\r\n"

REQUEST = (
    b"GET %s HTTP/1.1\r\n"
    b"Host: 127.0.0.1:%d\r\n"
    b"Connection: Upgrade\r\n"
    b"Upgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"  # the example of RFC 6455, section 1.3
    b"%s\r\n"
)
# A header that is sent twice is legal (RFC 9110, section 5.3), and the server's fast path leaves it
# to Tornado.
REPEATED_HEADER = b"Accept-Language: en\r\nAccept-Language: zh\r\n"


class UpgradeFailed(Exception):
    """The server refused an upgrade or did not answer."""


class Connections:
    """WebSocket connections to one room of a server on loopback."""

    def __init__(self, port: int, path: str, headers: bytes = b"") -> None:
        self._request = REQUEST % (path.encode(), port, headers)
        self._server = ("127.0.0.1", port)
        self._epoll = select.epoll()
        self._opening: dict[int, bytes] = {}  # what was received, by descriptor
        self._sockets: dict[int, socket.socket] = {}

    def open(self, count: int) -> float:
        """Open ``count`` more, and return the seconds until each had its first frame."""
        began = time.monotonic()
        to_open = count
        while to_open or self._opening:
            while to_open and len(self._opening) < MAX_IN_FLIGHT:
                self._connect()
                to_open -= 1
            events = self._epoll.poll(SILENCE_SECONDS)
            if not events:
                raise UpgradeFailed(f"{len(self._opening):,} upgrades were not answered")
            for descriptor, event in events:
                self._handle(descriptor, event)
        return time.monotonic() - began

    def watch(self, seconds: float) -> None:
        """Read what comes, and answer pings, for some time."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            for descriptor, event in self._epoll.poll(left):
                self._handle(descriptor, event)

    def close(self) -> None:
        """Close all."""
        for connection in self._sockets.values():
            connection.close()
        self._epoll.close()

    def _connect(self) -> None:
        opening = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        opening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opening.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        opening.bind((f"127.0.0.{1 + len(self._sockets) % SOURCE_ADDRESSES}", 0))
        opening.connect_ex(self._server)
        self._sockets[opening.fileno()] = opening
        self._opening[opening.fileno()] = b""
        self._epoll.register(opening, select.EPOLLOUT)

    def _handle(self, descriptor: int, event: int) -> None:
        connection = self._sockets[descriptor]
        if event & select.EPOLLOUT:
            connection.send(self._request)
            self._epoll.modify(descriptor, select.EPOLLIN)
            return
        data = connection.recv(65_536)
        if not data:
            raise UpgradeFailed("the server closed a connection")
        if descriptor not in self._opening:
            if data == PING_FRAME:
                connection.send(PONG_FRAME)
            return
        self._opening[descriptor] += data
        head, found, frames = self._opening[descriptor].partition(HEAD_END)
        if found and b" 101 " not in head.split(b"\r\n", 1)[0]:
            raise UpgradeFailed(f"the server answered {head[:60].decode('latin-1')!r}")
        if frames:
            del self._opening[descriptor]
