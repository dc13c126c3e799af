"""A non-blocking TCP connection on the tester's loop: connects, sends, receives, closes.

Subclasses interpret the bytes.
"""

from __future__ import annotations

import errno
import os
import socket
from abc import ABC, abstractmethod
from dataclasses import dataclass

from chat.loadtest.loop import READ, WRITE, Loop
from chat.loadtest.options import Options
from chat.loadtest.recorder import Recorder

READ_SIZE = 65536  # bytes asked for in one read
OUTBOX_LIMIT = 65536  # bytes that wait for a server that does not read
HEAD_LIMIT = 65536  # bytes of an HTTP response's head
MESSAGE_LIMIT = 16 * 1024 * 1024  # bytes; bounds what a connection buffers
SLOW_RECEIVE_BUFFER = 16384  # bytes; the kernel's default would hide a slow viewer for long
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
        """One of 250 source addresses on loopback, each good for 28,000 ports; None elsewhere."""
        return (f"127.0.0.{1 + viewer % 250}", 0) if self.loopback else None


@dataclass(slots=True)
class WorkerContext:
    """What the connections of one process share."""

    options: Options
    address: Address
    run: str  # names this run in its comments
    loop: Loop
    recorder: Recorder
    held: int = 0  # comments that wait until their viewer is back


class Connection(ABC):
    """The base of viewers and of their posting connections."""

    __slots__ = ("context", "number", "outbox", "rest", "slow", "socket", "waiting")

    def __init__(self, context: WorkerContext, number: int) -> None:
        self.context = context
        self.number = number
        self.slow = False
        self.socket: socket.socket | None = None
        self.rest = b""  # received, and not complete yet
        self.outbox = b""
        self.waiting = False  # for a response, where the protocol is HTTP

    @abstractmethod
    def on_connect(self) -> None: ...

    @abstractmethod
    def on_data(self, data: bytes) -> None: ...

    @abstractmethod
    def on_close(self, reason: str) -> None:
        """Called when the connection failed or the server closed it; the socket is closed."""

    def connect(self) -> None:
        """Begin to connect; `on_connect` or `on_close` follows."""
        address = self.context.address
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
        self.context.loop.watch(opening.fileno(), self._finish_connect, WRITE)

    def _finish_connect(self, event: int) -> None:
        assert self.socket is not None
        if error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.fail(os.strerror(error))
            return
        self.resume_reading()
        self.on_connect()

    def resume_reading(self) -> None:
        if self.socket is not None:
            events = READ | WRITE if self.outbox else READ
            self.context.loop.watch(self.socket.fileno(), self._on_event, events)

    def stop_reading(self) -> None:
        """Stop reading; this also defers the detection of a close."""
        if self.socket is not None:
            self.context.loop.unwatch(self.socket.fileno())

    def _on_event(self, event: int) -> None:
        if event & WRITE:
            self._flush()
        if self.socket is None or event == WRITE:
            return
        try:
            data = self.socket.recv(READ_SIZE)
        except BlockingIOError:
            return
        except OSError as problem:
            self.fail(os.strerror(problem.errno or errno.EIO))
            return
        if data:
            self.on_data(data)
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
            return False  # the next read returns the reason
        if sent < len(data):
            self.outbox = data[sent:]
            self.resume_reading()
        return True

    def _flush(self) -> None:
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
        """Close the socket; `on_close` is not called."""
        if self.socket is not None:
            self.context.loop.unwatch(self.socket.fileno())
            self.socket.close()
            self.socket = None

    def fail(self, reason: str) -> None:
        """Close, and call `on_close` with the reason."""
        self.close()
        self.on_close(reason)

    def fail_protocol(self, violation: str) -> None:
        """Count a violation of the protocol, and close."""
        self.context.recorder.counters.violations[violation] += 1
        self.fail("closed by the tester: protocol error")
