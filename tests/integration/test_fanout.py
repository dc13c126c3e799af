"""Fan-out over real connections, plainly and over TLS: compression, heads of answers, floods."""

from __future__ import annotations

import json
import socket
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from websockets.frames import Opcode
from websockets.sync.client import ClientConnection, connect

from chat.core.handshake import PREFIX
from tests.support.certificates import Certificate
from tests.support.in_process_server import UPGRADE
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer
from tests.support.websocket_frames import (
    close_code_of,
    decode_frames,
    decode_messages,
    encode_frame,
)


@pytest.fixture(scope="module", params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, certificate: Certificate) -> Certificate | None:
    return certificate if request.param == "tls" else None


def read_until(viewer: ClientConnection, kind: str) -> dict:
    while True:
        message = json.loads(viewer.recv(timeout=10))
        if message["type"] == kind:
            return message


# --- compression --------------------------------------------------------------------------------


def test_compressed_and_plain_viewers_get_the_same_entries(
    server: ServerProcess, room: str
) -> None:
    text = "compress me " * 8
    address = f"{server.ws_url}{PREFIX}{room}"
    with connect(address, ssl=server.trust) as packed, Viewer(server, room) as plain:
        agreed = packed.response.headers["Sec-WebSocket-Extensions"]
        assert "server_no_context_takeover" in agreed
        assert "client_no_context_takeover" in agreed
        packed.send(json.dumps({"type": "post", "text": text}))
        (entry,) = read_until(packed, "batch")["entries"]
        assert entry["text"] == text.strip()
        assert plain.take(1) == [entry]


def test_offer_with_a_limited_window_is_declined(server: ServerProcess, room: str) -> None:
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
        viewer.sendall(
            encode_frame(Opcode.TEXT, parts[0], fin=False, rsv1=True)
            + encode_frame(Opcode.CONT, parts[1], fin=False)
        )
        # The limit is one for what came as for what comes of it.
        small = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        packed = small.compress(b" " * 100_000) + small.flush(zlib.Z_SYNC_FLUSH)
        viewer.sendall(
            encode_frame(Opcode.CONT) + encode_frame(Opcode.TEXT, packed[:-4], rsv1=True)
        )
        assert read_close(viewer) == 1009


# --- the two ways to upgrade ---------------------------------------------------------------------


def open_socket(server: ServerProcess) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", server.port), 10)
    return server.trust.wrap_socket(sock, server_hostname="127.0.0.1") if server.trust else sock


@contextmanager
def websocket_raw(
    server: ServerProcess, room: str, more: str = "", split: bool = False
) -> Iterator:
    """Upgrade by hand; yields the head of the answer, and the socket."""
    # The room has to be open for the short way, and the handler takes what comes in two pieces.
    with Viewer(server, room), open_socket(server) as sock:
        request = UPGRADE.format(
            target=f"{PREFIX}{room}?name=Owl", host=f"127.0.0.1:{server.port}", more=more
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
        while not decode_messages(rest):
            rest += sock.recv(65_536)
        yield head, sock


def read_close(sock) -> int:
    data = b""
    while True:
        for frame in decode_frames(data):
            if frame.opcode is Opcode.CLOSE:
                return close_code_of(frame)
        received = sock.recv(65_536)
        assert received, "closed without a close frame"
        data += received


def test_fast_path_and_handler_answer_an_upgrade_with_the_same_head(
    server: ServerProcess, room: str
) -> None:
    with websocket_raw(server, room) as (by_fast_path, _):
        pass
    with websocket_raw(server, room, "X-Twice: 1\r\nX-Twice: 2\r\n") as (by_handler, _):
        pass
    with websocket_raw(server, room, split=True) as (in_pieces, _):
        pass
    assert by_fast_path == by_handler == in_pieces
    assert by_fast_path.startswith(b"HTTP/1.1 101 ")


# --- a flood ------------------------------------------------------------------------------------


def test_flood_is_thinned_for_viewers_and_complete_in_the_archive(
    start_server: Callable[..., ServerProcess], room: str
) -> None:
    server = start_server("--post-rate", "0", "--delivery-rate", "20")
    count = 200
    with Viewer(server, room) as viewer, Viewer(server, room) as poster:
        poster.post_many([f"{number}" for number in range(count)])
        while viewer.head < count:
            viewer.read()
        thinned = sum(message.get("thinned", 0) for message in viewer.messages)
        assert thinned > 0
        assert thinned + len(viewer.entries) == count
    with Viewer(server, room, cursor=f"{viewer.welcome['epoch']}:0") as later:
        assert [entry["text"] for entry in later.welcome["entries"]] == [
            f"{number}" for number in range(count)
        ]
