"""Unusual requests on raw sockets: the responses and the log."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import ssl
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.support.api import Api
from tests.support.certificates import Certificate
from tests.support.server_process import ServerProcess
from tests.support.websocket_frames import encode_message

StartServer = Callable[..., ServerProcess]
HOST = b"Host: chat.example\r\n"
UPGRADE = (
    HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def code(self) -> str:
        error = json.loads(self.body)["error"]
        assert error.keys() == {"code", "message", "retry_after"}
        return error["code"]


def send(server: ServerProcess, *parts: bytes) -> Answer:
    """Send the parts, each in a segment of its own, and read the answer."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            peer.sendall(part)
        response = http.client.HTTPResponse(peer)
        response.begin()
        return Answer(response.status, response.headers, response.read())


def read_to_end(peer: socket.socket) -> None:
    with contextlib.suppress(ConnectionError):
        while peer.recv(4096):
            pass


BAD_REQUESTS = {
    "no HTTP": (b"hello\r\n\r\n", 400, "bad_request"),
    "no version": (b"GET /\r\n\r\n", 400, "bad_request"),
    "unknown version": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 400, "bad_request"),
    "binary": (bytes(range(256)) + b"\r\n\r\n", 400, "bad_request"),
    "no colon": (b"GET / HTTP/1.1\r\n" + HOST + b"oops\r\n\r\n", 400, "bad_request"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"),
    "two hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400, "bad_request"),
    "host that is none": (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "bad_request"),
    "length that is none": (
        b"POST /api/rooms/demo/comments HTTP/1.1\r\n" + HOST + b"Content-Length: x\r\n\r\n",
        400,
        "bad_request",
    ),
    "length of 5,000 digits": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: %s\r\n\r\n" % (b"9" * 5000),
        400,
        "bad_request",
    ),
    "length and encoding": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
        "bad_request",
    ),
    "unknown encoding": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n",
        400,
        "bad_request",
    ),
    "chunk that is none": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        400,
        "bad_request",
    ),
    "chunk size that is too long": (
        b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n2;%s\r\n" % (b"x" * 90),
        400,
        "bad_request",
    ),
    "head too large": (
        b"GET / HTTP/1.1\r\n" + HOST + b"X: %s\r\n\r\n" % (b"a" * 17_000),
        431,
        "head_too_large",
    ),
    "head far too large": (
        b"GET / HTTP/1.1\r\n" + HOST + b"X: %s\r\n\r\n" % (b"a" * 100_000),
        431,
        "head_too_large",
    ),
    "head without an end": (b"a" * 60_000, 431, "head_too_large"),
    "body too large": (
        b"POST /api/rooms/demo/comments HTTP/1.1\r\n"
        + HOST
        + b"Content-Length: 65537\r\n\r\n"
        + b" " * 65_537,
        413,
        "too_large",
    ),
    "chunked body too large": (
        b"POST /api/rooms/demo/comments HTTP/1.1\r\n"
        + HOST
        + b"Transfer-Encoding: chunked\r\n\r\n11000\r\n"
        + b" " * 0x11000,
        413,
        "too_large",
    ),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_request_that_the_parser_refuses_has_the_json_error_body(
    server: ServerProcess, name: str
) -> None:
    data, status, code = BAD_REQUESTS[name]
    answer = send(server, data)
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Connection"] == "close"


def test_head_request_that_the_parser_refuses_has_no_body(server: ServerProcess) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
        peer.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
        received = peer.makefile("rb").read()
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.endswith(b"\r\n\r\n")


def test_head_of_nearly_16_kib_with_a_body_behind_it_is_read(
    server: ServerProcess, room: str
) -> None:
    body = json.dumps({"text": "hi" + " " * 7_000}).encode()
    answer = send(
        server,
        b"POST /api/rooms/%s/comments HTTP/1.1\r\n" % room.encode()
        + HOST
        + b"X: %s\r\nContent-Length: %d\r\n\r\n" % (b"a" * 16_000, len(body))
        + body,
    )
    assert answer.status in (201, 422), answer.body


@pytest.mark.parametrize("form", ["http://chat.example", "HTTPS://chat.example:99", "http://x"])
def test_absolute_form_of_the_target_is_answered(
    server: ServerProcess, room: str, form: str
) -> None:
    for path, status in (("/api/rooms", 200), (f"/ws/{room}", 101), ("", 200), ("?lang=en", 200)):
        head = f"GET {form}{path} HTTP/1.1\r\n".encode() + UPGRADE
        if status == 200:
            head += b"Connection: close\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
            peer.sendall(head + b"\r\n")
            assert peer.makefile("rb").readline().split()[1] == b"%d" % status


@pytest.mark.parametrize("path", [b"/static/%00", b"/static/js/%00.js", b"/static/" + b"a" * 5000])
def test_name_that_no_file_can_have_is_404(server: ServerProcess, path: bytes) -> None:
    answer = send(server, b"GET %s HTTP/1.1\r\n" % path + HOST + b"\r\n")
    assert (answer.status, answer.code) == (404, "not_found")


# --- upgrades ------------------------------------------------------------------------------------


@pytest.fixture(params=["fast path", "handler"])
def way(request: pytest.FixtureRequest, server: ServerProcess, room: str) -> bytes:
    """A header that makes the handler upgrade; none for the fast path, which needs an open room."""
    Api(server).post(room, "open")
    return b"" if request.param == "fast path" else b"X-Twice: 1\r\nX-Twice: 2\r\n"


@pytest.mark.parametrize(
    "more", [b"Content-Length: 5\r\n", b"Content-Length: 48\r\n", b"Transfer-Encoding: chunked\r\n"]
)
def test_upgrade_with_a_body_is_refused_and_its_body_is_no_frame(
    server: ServerProcess, room: str, way: bytes, more: bytes
) -> None:
    frame = encode_message("post", text="from the body")
    head = b"GET /ws/%s HTTP/1.1\r\n" % room.encode() + UPGRADE + way + more + b"\r\n"
    if b"chunked" in more:
        frame = b"%x\r\n%s\r\n0\r\n\r\n" % (len(frame), frame)
    else:
        frame = frame[:48].ljust(48, b" ")
    answer = send(server, head, frame)
    assert (answer.status, answer.code) == (400, "bad_request")
    assert Api(server).entries(room).json["head"] == 1


def test_upgrade_over_http_1_0_is_refused(server: ServerProcess, room: str, way: bytes) -> None:
    answer = send(server, b"GET /ws/%s HTTP/1.0\r\n" % room.encode() + UPGRADE + way + b"\r\n")
    assert (answer.status, answer.code) == (426, "not_a_websocket")


# --- the log --------------------------------------------------------------------------------------


def read_metric(server: ServerProcess, name: str) -> float:
    found = re.search(
        rf"^{re.escape(name)} (\S+)$", Api(server).get("/metrics").body.decode(), re.M
    )
    return float(found[1]) if found else 0.0


def test_plain_http_to_the_tls_port_is_counted_and_one_line_a_second(
    start_server: StartServer, certificate: Certificate
) -> None:
    server = start_server(certificate=certificate)
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\n\r\n")
            read_to_end(peer)
    assert read_metric(server, 'danmaku_peer_errors_total{kind="tls"}') == 20
    assert 1 <= len(server.take_log("SSL Error")) <= 4
    assert not server.unexpected_log


def test_broken_tls_records_in_a_connection_are_counted_and_make_no_traceback(
    start_server: StartServer, certificate: Certificate
) -> None:
    server = start_server(certificate=certificate)
    for path in (b"GET / HTTP/1.1\r\nHo", b"GET /ws/demo HTTP/1.1\r\n" + UPGRADE + b"\r\n"):
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=20)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = certificate.trust.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(1 << 16))
        tls.write(path)
        plain.sendall(outgoing.read())
        if b"ws" in path:
            plain.recv(1)
        plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))  # a record that nobody encrypted
        read_to_end(plain)
        plain.close()
    assert read_metric(server, 'danmaku_peer_errors_total{kind="tls"}') == 2
    assert not server.unexpected_log
