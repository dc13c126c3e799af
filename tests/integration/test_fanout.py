"""Fan-out over real connections: compression, both doors, TLS, floods, slow and dead peers."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trustme
from websockets.sync.client import ClientConnection, connect

import chat.journal.local
from chat.app import Server
from chat.core.comment import Comment
from chat.core.handshake import PREFIX
from chat.core.pace import STALL_SECONDS
from chat.settings import Settings
from chat.web.connection import PING_SECONDS, PONG_SECONDS
from tests.integration.viewer import Viewer
from tests.serving import ServerProcess
from tests.unit.server_frames import read_frames, read_messages

MASK = bytes(4)
UPGRADE = (
    "GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
)


def read_until(viewer: ClientConnection, kind: str) -> dict:
    while True:
        message = json.loads(viewer.recv(timeout=10))
        if message["type"] == kind:
            return message


def client_frame(first: int, payload: bytes) -> bytes:
    assert len(payload) < 65_536
    if len(payload) < 126:
        return bytes((first, 0x80 | len(payload))) + MASK + payload
    return bytes((first, 0x80 | 126)) + len(payload).to_bytes(2, "big") + MASK + payload


# --- compression --------------------------------------------------------------------------------


def test_viewer_that_offers_compression_says_and_hears_the_same(
    server: ServerProcess, room: str
) -> None:
    text = "compress me " * 8
    with connect(f"{server.ws_url}{PREFIX}{room}") as packed, Viewer(server, room) as plain:
        agreed = packed.response.headers["Sec-WebSocket-Extensions"]
        assert "server_no_context_takeover" in agreed
        assert "client_no_context_takeover" in agreed
        packed.send(json.dumps({"type": "post", "text": text}))
        (entry,) = read_until(packed, "batch")["entries"]
        assert entry["text"] == text.strip()
        assert plain.take(1) == [entry]


def test_viewer_that_limits_the_window_is_served_plainly(server: ServerProcess, room: str) -> None:
    with websocket_raw(
        server, room, "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=9\r\n"
    ) as (head, _):
        assert b"Sec-WebSocket-Extensions" not in head


def test_message_that_inflates_beyond_the_limit_ends_the_connection(
    server: ServerProcess, room: str
) -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = bomb.compress(b" " * (1 << 24)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    data = data.removesuffix(b"\x00\x00\xff\xff")
    parts = [data[at : at + 4_000] for at in range(0, len(data), 4_000)]
    with websocket_raw(server, room, "Sec-WebSocket-Extensions: permessage-deflate\r\n") as (
        head,
        viewer,
    ):
        assert b"permessage-deflate" in head
        viewer.sendall(client_frame(0x41, parts[0]) + client_frame(0x00, parts[1]))
        # The limit is one for what came as for what comes of it.
        small = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = small.compress(b" " * 100_000) + small.flush(zlib.Z_SYNC_FLUSH)
        viewer.sendall(client_frame(0x80, b"") + client_frame(0xC1, packed[:-4]))
        assert read_close(viewer) == 1009


# --- the two doors ------------------------------------------------------------------------------


@contextmanager
def websocket_raw(
    server: ServerProcess, room: str, more: str = "", split: bool = False
) -> Iterator:
    """Upgrade by hand; yields the head of the answer, and the socket."""
    # The room has to be open for the short way, and the handler takes what comes in two pieces.
    with Viewer(server, room), socket.create_connection(("127.0.0.1", server.port), 10) as sock:
        request = UPGRADE.format(
            target=f"{PREFIX}{room}?name=Door", host=f"127.0.0.1:{server.port}", more=more
        ).encode()
        if split:
            sock.sendall(request[:40])
            sock.sendall(request[40:])
        else:
            sock.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(65_536)
        head, _, rest = data.partition(b"\r\n\r\n")
        while not read_messages(rest):
            rest += sock.recv(65_536)
        yield head, sock


def read_close(sock) -> int:
    data = b""
    while True:
        for frame in read_frames(data):
            if frame.opcode == 0x8:
                return int.from_bytes(frame.data[:2], "big")
        received = sock.recv(65_536)
        assert received, "closed without a close frame"
        data += received


def test_both_doors_answer_an_upgrade_with_the_same_head(server: ServerProcess, room: str) -> None:
    with websocket_raw(server, room) as (at_gate, _):
        pass
    with websocket_raw(server, room, "X-Twice: 1\r\nX-Twice: 2\r\n") as (by_handler, _):
        pass
    with websocket_raw(server, room, split=True) as (in_pieces, _):
        pass
    assert at_gate == by_handler == in_pieces
    assert at_gate.startswith(b"HTTP/1.1 101 ")


# --- a flood ------------------------------------------------------------------------------------


def test_flood_is_thinned_live_and_whole_in_the_archive(
    start_server: Callable[..., ServerProcess], room: str
) -> None:
    server = start_server("--post-rate", "0", "--delivery-rate", "20")
    count = 200
    with Viewer(server, room) as viewer, Viewer(server, room) as poster:
        poster.say_many([f"{number}" for number in range(count)])
        while viewer.head < count:
            viewer.read()
        thinned = sum(message.get("thinned", 0) for message in viewer.messages)
        assert thinned > 0
        assert thinned + len(viewer.entries) == count
    with Viewer(server, room, cursor=f"{viewer.welcome['epoch']}:0") as later:
        assert [entry["text"] for entry in later.welcome["entries"]] == [
            f"{number}" for number in range(count)
        ]


# --- TLS ----------------------------------------------------------------------------------------


def test_room_is_served_over_tls(
    start_server: Callable[..., ServerProcess], room: str, tmp_path
) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    for blob in issued.cert_chain_pems:
        blob.write_to_path(tmp_path / "cert.pem", append=True)
    server = start_server(
        "--certfile", str(tmp_path / "cert.pem"), "--keyfile", str(tmp_path / "key.pem")
    )
    context = ssl.create_default_context()
    authority.configure_trust(context)
    address = f"wss://127.0.0.1:{server.port}{PREFIX}{room}"
    with connect(address, ssl=context) as one, connect(address, ssl=context) as other:
        for number in range(3):
            one.send(json.dumps({"type": "post", "text": f"sealed {number}"}))
        texts: list[str] = []
        while len(texts) < 3:
            texts += [entry["text"] for entry in read_until(other, "batch")["entries"]]
        assert texts == ["sealed 0", "sealed 1", "sealed 2"]


# --- slow and dead peers ------------------------------------------------------------------------


class Quarters:
    """A server in this process, whose sweeps are called with a clock of the test's."""

    def __init__(self) -> None:
        self.server = Server(Settings(port=0, database="sqlite://", post_rate=0, delivery_rate=0))

    async def __aenter__(self) -> Quarters:
        self.server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    @property
    def connections(self):
        return self.server.connections

    async def connect(self, room: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await self.ask(room)
        await reader.readuntil(b"\r\n\r\n")
        return reader, writer

    async def ask(self, room: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Send an upgrade for a room with its query, and wait for nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port, limit=1 << 16)
        writer.write(UPGRADE.format(target=f"{PREFIX}{room}", host="x", more="").encode())
        return reader, writer


async def read_close_of(reader: asyncio.StreamReader) -> int:
    data = b""
    async with asyncio.timeout(20):
        while True:
            received = await reader.read(1 << 20)
            data += received
            for frame in read_frames(data):
                if frame.opcode == 0x8:
                    return int.from_bytes(frame.data[:2], "big")
            assert received, "closed without a close frame"


def test_viewer_that_takes_nothing_is_closed_with_its_code_and_others_lose_nothing() -> None:
    async def scenario() -> None:
        async with Quarters() as quarters:
            slow_reader, slow_writer = await quarters.connect("demo")
            slow_writer.transport.pause_reading()
            for _ in range(PING_SECONDS):
                quarters.connections.sweep(time.monotonic())
            fast_reader, fast_writer = await quarters.connect("demo")
            data, posted = b"", 0
            while not quarters.connections.stalled:
                for _ in range(50):
                    post = json.dumps({"type": "post", "text": "x" * 100}).encode()
                    fast_writer.write(client_frame(0x81, post))
                    posted += 1
                seqs: list[int] = []
                while not seqs or seqs[-1] < posted:
                    data += await fast_reader.read(1 << 20)
                    batches = [m for m in read_messages(data) if m["type"] == "batch"]
                    seqs = [entry["seq"] for batch in batches for entry in batch["entries"]]
                assert seqs == list(range(1, posted + 1))
            # It answers no ping either, since it has not seen it: that is no second reason.
            for _ in range(PONG_SECONDS):
                quarters.connections.sweep(time.monotonic())
            quarters.connections.sweep(time.monotonic() + STALL_SECONDS + 1)
            assert not quarters.connections.stalled
            slow_writer.transport.resume_reading()
            assert await read_close_of(slow_reader) == 4008
            slow_writer.close()
            fast_writer.close()

    asyncio.run(scenario())


def test_viewer_that_answers_no_ping_is_closed_with_its_code() -> None:
    async def scenario() -> None:
        async with Quarters() as quarters:
            reader, writer = await quarters.connect("demo")
            for _ in range(PING_SECONDS + PONG_SECONDS):
                quarters.connections.sweep(time.monotonic())
            assert await read_close_of(reader) == 4009
            writer.close()

    asyncio.run(scenario())


def test_viewer_that_answers_its_ping_stays(server: ServerProcess, room: str) -> None:
    async def scenario() -> None:
        async with Quarters() as quarters:
            reader, writer = await quarters.connect("demo")
            data, pings, frames = b"", 0, []
            for second in range(2 * (PING_SECONDS + PONG_SECONDS)):
                quarters.connections.sweep(time.monotonic())
                if second % PING_SECONDS == PING_SECONDS - 1:
                    while pings == sum(frame.opcode == 0x9 for frame in frames):
                        data += await reader.read(1 << 16)
                        frames = read_frames(data)
                    pings += 1
                    writer.write(client_frame(0x8A, b"") + client_frame(0x81, b'{"type":"ping"}'))
                    while b'"pong"' not in data[-200:]:
                        data += await reader.read(1 << 16)
                    frames = read_frames(data)
            assert pings >= 2
            assert not any(frame.opcode == 0x8 for frame in frames)
            writer.close()

    asyncio.run(scenario())


class SlowRead:
    """A room whose first entries are in the archive alone, where reading takes until ``allow``."""

    def __init__(self, quarters: Quarters, patch: pytest.MonkeyPatch) -> None:
        self.asked, self.done = asyncio.Event(), asyncio.Event()
        self._allowed = asyncio.Event()
        self._journal = quarters.server._journal
        self._read = self._journal.read
        patch.setattr(chat.journal.local, "RECENT_LIMIT", 1)
        patch.setattr(self._journal, "read", self._read_late)

    async def fill(self, room: str) -> str:
        """Keep three entries, and return the cursor before the first."""
        opened = await self._journal.open_room(room)
        for number in range(3):
            comment = Comment(seq=0, user="u", name="N", text=f"{number}", at=1)
            await self._journal.append(room, comment, None)
        self._journal.close_room(room)  # and so the hub opens it with the last entry alone
        return f"{opened.epoch}:0"

    def allow(self) -> None:
        self._allowed.set()

    async def _read_late(self, *where):
        self.asked.set()
        await self._allowed.wait()
        read = await self._read(*where)
        self.done.set()
        return read


def test_nothing_goes_out_before_the_handshake_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with Quarters() as quarters:
            archive = SlowRead(quarters, monkeypatch)
            cursor = await archive.fill("demo")
            reader, writer = await quarters.ask(f"demo?cursor={cursor}")
            await archive.asked.wait()
            for _ in range(PING_SECONDS):
                quarters.connections.sweep(time.monotonic())
            archive.allow()
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            data = b""
            while not (told := read_messages(data)):
                data += await reader.read(1 << 16)
            assert [entry["seq"] for entry in told[0]["entries"]] == [1, 2, 3]
            writer.close()

    asyncio.run(scenario())


def test_connection_that_ends_while_the_archive_is_read_for_it_is_no_viewer_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        async with Quarters() as quarters:
            archive = SlowRead(quarters, monkeypatch)
            cursor = await archive.fill("demo")
            reader, writer = await quarters.ask(f"demo?cursor={cursor}")
            await archive.asked.wait()
            ending = asyncio.create_task(quarters.connections.stop())
            await reader.readuntil(b"\r\n\r\n")
            assert await read_close_of(reader) == 1012  # which this peer leaves unanswered
            archive.allow()
            await archive.done.wait()
            assert quarters.connections.hub.count_viewers() == 0
            assert not ending.done(), "the connection was there until the end"
            writer.close()
            await ending

    asyncio.run(scenario())
