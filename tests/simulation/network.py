"""Sockets in memory, as TCP and the kernel would have them.

Bytes arrive in order and later, perhaps in parts; a write may take fewer bytes than asked; buffers
fill up; a connection may be reset with half a frame on its way, end in one direction only, or fall
silent. Of ``socket.socket`` it has what Tornado's streams, the server and the clients here use.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from dataclasses import dataclass
from typing import Any

from tests.simulation.loop import SimulatedLoop
from tests.simulation.timeline import Timeline

DEFER_ACCEPT_SECONDS = 2.0
PORT = 8_888


@dataclass(frozen=True)
class Link:
    """How one connection behaves.

    ``latency`` and ``jitter`` are in seconds. ``capacity``: bytes that may be under way or unread
    in one direction. ``short``: how often a write takes only a part. ``split``: how often what was
    written at once arrives in two parts. A read takes all that has arrived, as with the kernel.
    """

    latency: float = 0.001
    jitter: float = 0.001
    capacity: int = 64 * 1_024
    short: float = 0.0
    split: float = 0.0


class SimulatedSocket:
    """One end of a connection."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = 0

    def __init__(self, network: Network, loop: SimulatedLoop, link: Link, address: str) -> None:
        self._network = network
        self._timeline = network.timeline
        self._random = network.timeline.random
        self._loop = loop
        self._link = link
        self._address = address
        self.peer: SimulatedSocket | None = None
        self.number = -1
        self.is_connected = False
        self.is_closed = False
        self._inbox = bytearray()
        self._unread = 0  # bytes that were sent, and that the peer has not read yet
        self._has_sent_fin = False
        self._has_fin = False
        self._error = 0
        self._is_broken = False
        self._arrives_at = 0.0
        self._silent_until = 0.0
        self._listener: Listener | None = None

    def __repr__(self) -> str:
        return f"<socket {self._address} {self.number}>"

    # --- what socket.socket has -------------------------------------------------------------------

    def fileno(self) -> int:
        return -1 if self.is_closed else self.number

    def setblocking(self, flag: bool) -> None:
        assert not flag

    def settimeout(self, value: float | None) -> None:
        assert value == 0

    def setsockopt(self, *_option: Any) -> None:
        self._check_open()

    def getsockopt(self, level: int, option: int) -> int:
        self._check_open()
        if (level, option) != (socket.SOL_SOCKET, socket.SO_ERROR):
            return 0
        error, self._error = self._error, 0
        return error

    def getpeername(self) -> tuple[str, int]:
        self._check_open()
        if not self.is_connected:
            raise OSError(errno.ENOTCONN, "not connected")
        return self._address, 40_000

    def getsockname(self) -> tuple[str, int]:
        return "10.0.0.1", PORT

    def recv(self, size: int, flags: int = 0) -> bytes:
        if flags & socket.MSG_PEEK:
            self._check_readable()
            return bytes(self._inbox[:size])
        return self._take(size)

    def recv_into(self, buffer: Any, size: int = 0) -> int:
        data = self._take(size or len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: Any) -> int:
        self._check_open()
        if self._error:
            self._raise_error()
        if self._is_broken or self._has_sent_fin:
            raise BrokenPipeError(errno.EPIPE, "broken pipe")
        if not self.is_connected:
            raise BlockingIOError(errno.EAGAIN, "not connected yet")
        space = self._link.capacity - self._unread
        if space <= 0:
            raise BlockingIOError(errno.EAGAIN, "the buffer is full")
        size = min(len(data), space)
        if size > 1 and self._random.random() < self._link.short:
            size = self._random.randint(1, size)
        self._unread += size
        self._transmit(bytes(data[:size]))
        return size

    def shutdown(self, how: int) -> None:
        self._check_open()
        if not self.is_connected or self._is_broken:
            raise OSError(errno.ENOTCONN, "not connected")
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            self._send_fin()

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        if self._listener is not None:
            self._listener.forget(self)
        if self.is_connected and not self._is_broken:
            if self._inbox:
                self._send_reset()  # the peer sent what nobody has read
            else:
                self._send_fin()
        if self.number >= 0:
            self._loop.close_socket(self.number)

    # --- the clients' side ------------------------------------------------------------------------

    def reset(self) -> None:
        """Close without a goodbye: the peer gets a reset."""
        if self.is_connected and not self._is_broken and not self.is_closed:
            self._send_reset()
            self._has_sent_fin = True
            self._is_broken = True
        self.close()

    # --- what the loop asks -----------------------------------------------------------------------

    def is_readable(self) -> bool:
        return bool(self._inbox) or self._has_fin or self._is_broken

    def is_writable(self) -> bool:
        return self._is_broken or (self.is_connected and self._unread < self._link.capacity)

    # --- what happens to it -----------------------------------------------------------------------

    def open(self, loop: SimulatedLoop) -> None:
        """Belong to a process from now on."""
        self._loop = loop
        self.number = loop.open_socket(self)

    def _note(self) -> None:
        if self.number >= 0 and not self.is_closed:
            self._loop.note_change(self.number)
        elif self._listener is not None:
            self._listener.note_data(self)

    def become_connected(self) -> None:
        if not self.is_closed:
            self.is_connected = True
            self._note()

    def break_off(self, error: int) -> None:
        """Receive a reset: nothing more arrives, nothing more can be sent."""
        if self.is_closed or self._is_broken:
            return
        self._is_broken = True
        self._error = error
        self._note()

    def cut(self) -> None:
        """Break the connection at both ends."""
        for end in (self.peer, self):
            if end is not None:
                end.break_off(errno.ECONNRESET)

    def fall_silent(self, seconds: float) -> None:
        """Let nothing arrive at either end for a while; forever if it is infinite."""
        until = self._timeline.now + seconds
        self._silent_until = max(self._silent_until, until)
        if self.peer is not None:
            self.peer._silent_until = max(self.peer._silent_until, until)

    def _delay(self) -> float:
        """Return when what is sent now arrives: never before what was sent earlier."""
        link = self._link
        at = self._timeline.now + link.latency + link.jitter * self._random.random()
        self._arrives_at = max(self._arrives_at, at, self._silent_until)
        return self._arrives_at

    def _transmit(self, data: bytes) -> None:
        assert self.peer is not None
        at = self._delay()
        if len(data) > 1 and self._random.random() < self._link.split:
            cut = self._random.randint(1, len(data) - 1)
            self._timeline.at(at, self.peer._arrive, data[:cut])
            self._timeline.at(self._delay() + self._link.latency, self.peer._arrive, data[cut:])
            self._arrives_at += self._link.latency
        else:
            self._timeline.at(at, self.peer._arrive, data)

    def _arrive(self, data: bytes) -> None:
        if self.is_closed:
            self._send_reset()
            return
        if self._is_broken:
            return
        self._timeline.record("arrive", self._address, len(data))
        self._inbox += data
        self._note()

    def _arrive_fin(self) -> None:
        if not self._is_broken:
            self._has_fin = True
            self._note()

    def _send_fin(self) -> None:
        if not self._has_sent_fin:
            self._has_sent_fin = True
            assert self.peer is not None
            self._timeline.at(self._delay(), self.peer._arrive_fin)

    def _send_reset(self) -> None:
        assert self.peer is not None
        self._timeline.at(self._delay(), self.peer.break_off, errno.ECONNRESET)

    def _take(self, size: int) -> bytes:
        if not self._check_readable():
            return b""
        size = min(size, len(self._inbox))
        data = bytes(self._inbox[:size])
        del self._inbox[:size]
        peer = self.peer
        if peer is not None:
            was_full = peer._unread >= peer._link.capacity
            peer._unread -= size
            if was_full:
                peer._note()
        return data

    def _check_readable(self) -> bool:
        """Return False at the end of the data; raises BlockingIOError if none has arrived."""
        self._check_open()
        if self._inbox:
            return True
        if self._error:
            self._raise_error()
        if self._has_fin or self._is_broken:
            return False
        raise BlockingIOError(errno.EAGAIN, "nothing has arrived")

    def _check_open(self) -> None:
        if self.is_closed:
            raise OSError(errno.EBADF, "the socket is closed")

    def _raise_error(self) -> None:
        error, self._error = self._error, 0
        raise OSError(error, errno.errorcode[error])


class Listener:
    """A listening socket that accepts a connection once its first data has arrived."""

    family = socket.AF_INET

    def __init__(self, network: Network, loop: SimulatedLoop) -> None:
        self._network = network
        self._loop = loop
        self.number = loop.open_socket(self)
        self._acceptable: deque[SimulatedSocket] = deque()
        self._waiting: dict[SimulatedSocket, None] = {}
        self.is_closed = False

    def fileno(self) -> int:
        return -1 if self.is_closed else self.number

    def getsockname(self) -> tuple[str, int]:
        return "10.0.0.1", PORT

    def setsockopt(self, *_option: Any) -> None:
        pass

    def accept(self) -> tuple[SimulatedSocket, tuple[str, int]]:
        if not self._acceptable:
            raise BlockingIOError(errno.EAGAIN, "nobody connects")
        accepted = self._acceptable.popleft()
        accepted._listener = None
        accepted.open(self._loop)
        return accepted, (accepted._address, 40_000)

    def close(self) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        self._loop.close_socket(self.number)
        self._network.stop_listening(self)
        for waiting in [*self._acceptable, *self._waiting]:
            waiting.reset()

    def is_readable(self) -> bool:
        return bool(self._acceptable)

    def is_writable(self) -> bool:
        return False

    def receive(self, arriving: SimulatedSocket) -> None:
        arriving._listener = self
        self._waiting[arriving] = None
        timeline = self._network.timeline
        timeline.at(timeline.now + DEFER_ACCEPT_SECONDS, self.note_data, arriving)

    def note_data(self, arriving: SimulatedSocket) -> None:
        if arriving in self._waiting and not self.is_closed:
            del self._waiting[arriving]
            self._acceptable.append(arriving)
            self._loop.note_change(self.number)

    def forget(self, arriving: SimulatedSocket) -> None:
        self._waiting.pop(arriving, None)
        if arriving in self._acceptable:
            self._acceptable.remove(arriving)


class Network:
    """Connects clients with the server that listens, if one does."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self._listener: Listener | None = None

    def listen(self, loop: SimulatedLoop) -> Listener:
        assert self._listener is None
        self._listener = Listener(self, loop)
        return self._listener

    def stop_listening(self, listener: Listener) -> None:
        if self._listener is listener:
            self._listener = None

    def dial(self, loop: SimulatedLoop, link: Link, address: str) -> SimulatedSocket:
        """Begin to connect: the socket is writable once that is done, or broken if refused."""
        near = SimulatedSocket(self, loop, link, address)
        near.open(loop)
        self.timeline.at(near._delay(), self._arrive, near, link, address)
        return near

    def _arrive(self, near: SimulatedSocket, link: Link, address: str) -> None:
        listener = self._listener
        self.timeline.record("connect", address, listener is not None)
        if near.is_closed:
            return
        if listener is None:
            self.timeline.at(near._delay(), near.break_off, errno.ECONNREFUSED)
            return
        far = SimulatedSocket(self, listener._loop, link, address)
        far.peer, near.peer = near, far
        far.is_connected = True
        listener.receive(far)
        self.timeline.at(far._delay(), near.become_connected)
