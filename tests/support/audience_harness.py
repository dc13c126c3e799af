"""A room's audience over real sockets: viewers at socket pairs, and waves run one by one."""

from __future__ import annotations

import socket
from collections.abc import Callable

from msgspec import Raw

from chat.core.comment import Comment, Role
from chat.core.entry import number_entry
from chat.core.history import HISTORY_LIMIT, History
from chat.fanout.audience import Audience
from chat.fanout.batch_cache import PLAIN
from chat.fanout.recipient import Position, ViewerState
from chat.fanout.send_group import SendGroup
from chat.metrics import Metrics
from tests.support.websocket_frames import decode_messages


class SocketViewer:
    """A viewer at one end of a socket pair; what was sent to it is read at the other."""

    def __init__(self, encoding: int = PLAIN, buffer: int | None = None) -> None:
        self.near, self.far = socket.socketpair()
        if buffer is not None:
            self.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        self.near.setblocking(False)
        self.far.setblocking(False)
        self.state = ViewerState.JOINING
        self.position = Position()
        self.encoding = encoding
        self.writable = True
        self.is_plain_socket = True
        self.send = self.near.send
        self.waiting = b""
        self.aborted = False
        self.received = b""

    def buffer_tail(self, tail: memoryview) -> None:
        self.writable = False
        self.waiting += bytes(tail)

    def abort(self) -> None:
        self.writable = False
        self.aborted = True

    @property
    def cursor(self) -> int:
        return self.position.cursor

    def stall(self) -> None:
        """Accept nothing from now on, as if the kernel's buffer were full."""
        if isinstance(self.position, SendGroup):
            self.position.remove(self)
        self.writable = False

    def drain(self) -> None:
        """Read everything, and write the buffered tail as a stream would."""
        while True:
            try:
                self.received += self.far.recv(1 << 20)
            except BlockingIOError:
                if not self.waiting:
                    break
                self.waiting = self.waiting[self.near.send(self.waiting) :]
        self.writable = True

    def messages(self) -> list[dict]:
        self.drain()
        return decode_messages(self.received)

    def close(self) -> None:
        self.near.close()
        self.far.close()


class EncryptedViewer(SocketViewer):
    """A viewer as over TLS: the stream writes everything, so each send is buffered."""

    def __init__(self, encoding: int = PLAIN) -> None:
        super().__init__(encoding)
        self.is_plain_socket = False
        self.send = self._send_by_stream

    def _send_by_stream(self, data: bytes) -> int:
        self.buffer_tail(memoryview(data))
        return len(data)


class AudienceHarness:
    """A room's audience with its history; tests run the waves."""

    def __init__(
        self,
        delivery_rate: float = 0,
        schedule: Callable[[Audience], None] = lambda _: None,
        history_limit: int = HISTORY_LIMIT,
    ) -> None:
        self.history = History(limit=history_limit)
        self.settings = Raw(b"{}")
        self.metrics = Metrics()
        self.audience = Audience(
            "e1", self.history, lambda: self.settings, schedule, self.metrics, delivery_rate
        )
        self.viewers: list[SocketViewer] = []
        self.clock = 100.0

    def add(self, viewer: SocketViewer) -> SocketViewer:
        self.audience.add(viewer, self.history.head)
        self.viewers.append(viewer)
        return viewer

    def post(self, count: int, user: str = "u", role: Role = Role.VIEWER) -> None:
        entries = []
        for _ in range(count):
            seq = self.history.head + 1
            comment = Comment(seq=0, user=user, name="N", text=f"text {seq}", at=1, role=role)
            numbered = number_entry(comment, seq)
            self.history.append(seq, numbered.body)
            entries.append(numbered)
        self.audience.add_entries(entries)

    def wave(self, passed: float = 1.0) -> bool:
        """Run one whole wave; return whether there was anything to send."""
        self.clock += passed
        if not self.audience.begin_wave(self.clock):
            return False
        for _ in self.audience.send_steps():
            pass
        return True

    def waves(self) -> None:
        while self.audience.count_waiting() or self.audience.count_is_stale:
            self.wave()


def list_covered(messages: list[dict]) -> list[tuple[str, int, int]]:
    """List the ranges of the batches and skips that a viewer got, in order."""
    return [(m["type"], m["first"], m["last"]) for m in messages if m["type"] in ("batch", "skip")]


def list_seqs(messages: list[dict]) -> list[int]:
    """List the entries that a viewer got, in order."""
    return [e["seq"] for m in messages if m["type"] == "batch" for e in m["entries"]]


def assert_gapless(messages: list[dict], head: int, after: int = 0) -> None:
    """Every range begins where the one before ended, from ``after`` to ``head``."""
    for _, first, last in list_covered(messages):
        assert first == after + 1
        assert last >= first
        after = last
    assert after == head
