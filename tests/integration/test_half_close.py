"""A client that shuts down its sending side still gets its response (RFC 9112, section 9.6)."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import time
from collections.abc import Callable

from tests.support.api import Api
from tests.support.certificates import Certificate
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer


def ask_and_end(server: ServerProcess, request: bytes) -> bytes:
    """Send a request, shut down the sending side, and return everything that is answered."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:
        peer.sendall(request)
        peer.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: peer.recv(65_536), b""))


def ask_and_end_encrypted(server: ServerProcess, request: bytes) -> bytes:
    """Do the same over TLS, with a close_notify alert; without one the request may be cut."""
    assert server.trust is not None
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = server.trust.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as peer:

        def run(step: Callable[[], object]) -> bool:
            """Run a step of the protocol with what has arrived; False if it needs more."""
            try:
                step()
                return True
            except ssl.SSLWantReadError:
                return False
            finally:
                peer.sendall(outgoing.read())

        while not run(tls.do_handshake):
            incoming.write(peer.recv(65_536))
        run(lambda: tls.write(request))
        run(tls.unwrap)
        peer.shutdown(socket.SHUT_WR)
        answer = b""
        while data := peer.recv(65_536):
            incoming.write(data)
            with contextlib.suppress(ssl.SSLError):
                while read := tls.read(65_536):
                    answer += read
        return answer


def build_post(room: str, body: bytes) -> bytes:
    head = f"POST /api/rooms/{room}/comments HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def test_post_is_answered_after_a_half_close(server: ServerProcess, room: str) -> None:
    for number in range(1, 6):
        answer = ask_and_end(server, build_post(room, b'{"text":"hi"}'))
        assert answer.startswith(b"HTTP/1.1 201 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["seq"] == number


def test_requests_that_were_sent_ahead_are_all_answered_after_a_half_close(
    server: ServerProcess, room: str
) -> None:
    answer = ask_and_end(server, build_post(room, b'{"text":"hi"}') * 3)
    assert answer.count(b"HTTP/1.1 201 ") == 3


def test_post_over_tls_is_answered_after_a_half_close(
    start_server: Callable[..., ServerProcess], certificate: Certificate, room: str
) -> None:
    server = start_server(certificate=certificate)
    answer = ask_and_end_encrypted(server, build_post(room, b'{"text":"hi"}'))
    assert answer.startswith(b"HTTP/1.1 201 ")


def test_long_poll_is_answered_at_once_after_a_half_close(server: ServerProcess, room: str) -> None:
    epoch = Api(server).post(room).json["epoch"]
    began = time.monotonic()
    request = f"GET /api/rooms/{room}/entries?after={epoch}:1&wait=30 HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = ask_and_end(server, request.encode())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["entries"] == []
    assert time.monotonic() - began < 10


def test_request_that_is_cut_short_is_not_answered(server: ServerProcess, room: str) -> None:
    assert ask_and_end(server, build_post(room, b'{"text":"hi"}')[:-3]) == b""


def test_viewer_that_shuts_down_its_side_is_not_counted_any_more(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room) as viewer:
        other = Viewer(server, room)
        while viewer.wait_for("viewers")["count"] != 2:
            pass
        other.socket.sock.shutdown(socket.SHUT_WR)
        while viewer.wait_for("viewers")["count"] != 1:
            pass
        other.socket.sock.close()
