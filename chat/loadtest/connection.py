"""One non-blocking TCP connection under the loop.

It opens, sends, receives, ends. It knows no protocol.
"""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass

from chat.loadtest.ledger import Ledger
from chat.loadtest.loop import READ, WRITE, Loop
from chat.loadtest.options import Options

CHUNK = 65536  # bytes asked for in one read
OUTBOX_LIMIT = 65536  # bytes that wait for a server that does not read
SLOW_RECEIVE_BUFFER = 16384  # bytes; the kernel's own default would hide a slow viewer for long
IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; lets the kernel choose the port by the whole four-tuple


@dataclass(frozen=True, slots=True)
class Address:
    """Where to connect, resolved once."""

    family: int
    sockaddr: tuple[str, int]  # of IPv6 without scope: the kernel's default is meant
    loopback: bool

    @classmethod
    def resolve(cls, host: str, port: int) -> Address:
        """IPv4 first, since only there can loopback connections be spread. Raises OSError."""
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, sockaddr = min(found, key=lambda one: one[0] != socket.AF_INET)
        number = str(sockaddr[0])
        return cls(family, (number, port), number.startswith("127."))

    def source(self, viewer: int) -> tuple[str, int] | None:
        """The address a viewer comes from: 250 of them on loopback, each good for 28,000 ports."""
        return (f"127.0.0.{1 + viewer % 250}", 0) if self.loopback else None


@dataclass(slots=True)
class Crew:
    """What the viewers of one process share."""

    options: Options
    address: Address
    run: str  # names this run in its comments
    loop: Loop
    ledger: Ledger
    left: int = 0  # viewers that were in and are gone for good
    held: int = 0  # comments that wait until their viewer is back


class Connection:
    """What viewers and posters have in common."""

    __slots__ = ("crew", "number", "outbox", "rest", "slow", "socket")

    def __init__(self, crew: Crew, number: int) -> None:
        self.crew = crew
        self.number = number
        self.slow = False
        self.socket: socket.socket | None = None
        self.rest = b""
        self.outbox = b""

    def connected(self) -> None:
        """The connection is open: time to speak."""
        raise NotImplementedError

    def received(self, data: bytes) -> None:
        """Take what the server sent."""
        raise NotImplementedError

    def ended(self, reason: str) -> None:
        """The other side is gone; the socket is closed already."""
        raise NotImplementedError

    def connect(self) -> None:
        """Begin to connect; `connected` or `ended` follows."""
        address = self.crew.address
        self.rest = self.outbox = b""
        try:
            self.socket = opening = socket.socket(
                address.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK
            )
            opening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.slow:
                opening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_RECEIVE_BUFFER)
            if source := address.source(self.number):
                opening.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                opening.bind(source)
            error = opening.connect_ex(address.sockaddr)
        except OSError as problem:
            error = problem.errno or errno.EIO
        if error not in (0, errno.EINPROGRESS):
            self.fail(os.strerror(error))
            return
        self.crew.loop.watch(opening.fileno(), self.finish_connect, WRITE)

    def finish_connect(self, event: int) -> None:
        """Handle the end of connecting, good or bad."""
        assert self.socket is not None
        if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.fail(os.strerror(error))
            return
        self.resume_reading()
        self.connected()

    def resume_reading(self) -> None:
        """Hand what comes to `received`."""
        if self.socket is not None:
            self.crew.loop.watch(
                self.socket.fileno(), self.ready, READ | WRITE if self.outbox else READ
            )

    def stop_reading(self) -> None:
        """Leave everything to the kernel's buffers, an end of the connection included."""
        if self.socket is not None:
            self.crew.loop.forget(self.socket.fileno())

    def ready(self, event: int) -> None:
        """Handle an event of the socket."""
        if event & WRITE:
            self.flush()
        if self.socket is None or event == WRITE:
            return
        try:
            data = self.socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError as problem:
            self.fail(os.strerror(problem.errno or errno.EIO))
            return
        if data:
            self.received(data)
        else:
            self.fail("ended without a close frame")

    def send(self, data: bytes) -> bool:
        """False when the connection is closed or the server has not read OUTBOX_LIMIT bytes."""
        if self.socket is None or len(self.outbox) > OUTBOX_LIMIT:
            return False
        if self.outbox:
            self.outbox += data
            return True
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return False  # the read that follows tells why
        if sent < len(data):
            self.outbox = data[sent:]
            self.resume_reading()
        return True

    def flush(self) -> None:
        """Send what waits."""
        assert self.socket is not None
        try:
            self.outbox = self.outbox[self.socket.send(self.outbox) :]
        except BlockingIOError:
            return
        except OSError:
            self.outbox = b""
        if not self.outbox:
            self.resume_reading()

    def close(self) -> None:
        """End the connection from this side, without a word."""
        if self.socket is not None:
            self.crew.loop.forget(self.socket.fileno())
            self.socket.close()
            self.socket = None

    def fail(self, reason: str) -> None:
        """Close, and say why it ended."""
        self.close()
        self.ended(reason)
