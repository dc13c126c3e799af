"""Random bytes on raw sockets cause no 5xx, no warning in the log, and no server that hangs.

Each round takes a valid exchange, mutates its bytes, and sends them in segments. The test runs for
some seconds, and for ten minutes in ``make faults``. A failure prints the seed of its round;
``FUZZ_SEED`` repeats it.
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import time
from collections.abc import Callable

from tests.faults.conftest import LONG
from tests.support.api import Api
from tests.support.server_process import ServerProcess
from tests.support.websocket_frames import encode_close, encode_frame, encode_message

SECONDS = 600 if LONG else 6
CHECK_EVERY = 50
ROOM = "fuzz"
_SERVER_ERROR = re.compile(rb"HTTP/1\.1 5(?!03)[0-9][0-9] ")

UPGRADE = (
    b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
)
TARGETS = (
    b"/api/rooms",
    b"/api/rooms/fuzz",
    b"/api/rooms/fuzz/entries?after=0:0&limit=10&wait=0",
    b"/api/rooms/fuzz/settings",
    b"/ws/fuzz?name=Owl&cursor=ab:1&history=10",
    b"/",
    b"/r/fuzz",
    b"/r/fuzz/overlay?size=2",
    b"/static/js/room/room.js",
    b"/static/..%2f%00",
    b"/healthz",
    b"/metrics",
    b"http://127.0.0.1/api/rooms",
    b"*",
)
HEADERS = (
    b"Origin: http://127.0.0.1\r\n",
    b"Cookie: lang=zh; a=b\r\n",
    b"Cookie: \xff\xfe=\x01;;;=\r\n",
    b"Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.x\r\n",
    b"Accept-Language: zh;q=x, en;q=1e999\r\n",
    b"Accept: text/html\r\n",
    b"X-Forwarded-For: unknown, ::1\r\n",
    b"Sec-Fetch-Site: cross-site\r\n",
    b"Range: bytes=5-1,-\r\n",
    b'If-None-Match: "\xe9"\r\n',
    b"If-Modified-Since: Thu, 99 Foo 0000 99:99:99 GMT\r\n",
    b"Content-Type: multipart/form-data; boundary=x\r\n",
    b"Content-Type: application/x-www-form-urlencoded; charset=\x80\r\n",
    b"Expect: 100-continue\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 7\r\n",
)
MESSAGES = (
    {"type": "post", "text": "hello", "ref": "k1", "mode": "top", "color": "#ffffff"},
    {"type": "auth", "token": "eyJhbGciOiJIUzI1NiJ9.e30.x"},
    {"type": "rename", "name": "Owl"},
    {"type": "pause"},
    {"type": "resume"},
    {"type": "ping"},
)
JUNK = (
    b"\x00",
    b"\xff",
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b'"',
    b"{",
    b"[" * 500,
    b"\\ud800",
    b"\xed\xa0\x80",
    "\u202e\u0301\u200d\ufeff".encode() * 40,
    b"1e999",
    b"-0",
    b"9" * 400,
    b"NaN",
    b"%00",
    b"%ff",
    b"%",
    b"&" * 40,
    b"a" * 20_000,
)


def build_request(chance: random.Random) -> bytes:
    method = chance.choice((b"GET", b"GET", b"POST", b"PATCH", b"HEAD", b"OPTIONS", b"PUT", b"X"))
    body = json.dumps(chance.choice(MESSAGES)).encode() if method in (b"POST", b"PATCH") else b""
    target = b"/api/rooms/fuzz/comments" if method == b"POST" else chance.choice(TARGETS)
    head = b"%s %s HTTP/1.%d\r\nHost: 127.0.0.1\r\n" % (method, target, chance.random() < 0.95)
    head += b"".join(chance.sample(HEADERS, chance.randrange(4)))
    if body:
        head += b"Content-Length: %d\r\n" % len(body)
    return head + b"\r\n" + body


def build_upgrade(chance: random.Random) -> bytes:
    return b"GET /ws/fuzz HTTP/1.1\r\n" + UPGRADE + b"\r\n"


def build_frames(chance: random.Random) -> bytes:
    frames = b""
    for _ in range(chance.randrange(1, 8)):
        kind = chance.random()
        if kind < 0.6:
            message = dict(chance.choice(MESSAGES))
            frames += encode_message(message.pop("type"), **message)
        elif kind < 0.9:
            frames += encode_frame(
                chance.randrange(16),
                chance.randbytes(chance.randrange(130)),
                fin=chance.random() < 0.8,
                rsv1=chance.random() < 0.3,
                mask=chance.random() < 0.95,
            )
        else:
            frames += encode_close(chance.randrange(6000))
    return frames


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change, remove, repeat and insert some bytes."""
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        at, end = sorted(chance.randrange(len(data) + 1) for _ in range(2))
        end = min(end, at + 40)
        match chance.randrange(5):
            case 0:
                data = data[:at] + chance.choice(JUNK) + data[at:]
            case 1:
                data = data[:at] + data[end:]
            case 2:
                data = data[:end] + data[at:]
            case 3:
                data = data[:at] + chance.randbytes(end - at) + data[end:]
            case _:
                data = data[:at]
    return data


def exchange(server: ServerProcess, chance: random.Random) -> bytes:
    """Send one mutated exchange in some segments, and return what came back."""
    build: Callable[[random.Random], bytes] = chance.choice((build_request, build_upgrade))
    data = build(chance)
    if build is build_upgrade:
        # Mostly valid, so that the frames behind it are read as frames.
        data = data if chance.random() < 0.8 else mutate(data, chance)
        data += mutate(build_frames(chance), chance)
    else:
        data = mutate(data, chance) + (mutate(build_request(chance), chance) * (len(data) % 2))
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
        peer.settimeout(0.05)
        try:
            while data:
                size = chance.choice((1, 7, 200, 5000, len(data)))
                peer.sendall(data[:size])
                data = data[size:] if chance.random() < 0.98 else b""
            if chance.random() < 0.7:
                peer.shutdown(socket.SHUT_WR)
            while chunk := peer.recv(1 << 16):
                received += chunk
        except OSError:
            pass  # no answer in time, or the server has closed; shutdown() then raises ENOTCONN
    return received


def test_random_bytes_make_no_server_error_no_log_line_and_the_server_answers_after(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server("--post-rate", "0", "--allowed-hosts", "127.0.0.1")
    first = int(os.environ.get("FUZZ_SEED") or random.randrange(1 << 48))
    end = time.monotonic() + SECONDS
    seed = first
    while time.monotonic() < end:
        seed += 1
        received = exchange(server, random.Random(seed))
        assert not _SERVER_ERROR.search(received), f"FUZZ_SEED={seed - 1}: {received[:500]!r}"
        if not seed % CHECK_EVERY:
            assert Api(server, timeout=10).get("/healthz").status == 200, f"FUZZ_SEED={first}"
            assert server.process is not None
            assert server.process.poll() is None, f"FUZZ_SEED={first}"
            seeds = f"FUZZ_SEED between {seed - CHECK_EVERY} and {seed}"
            assert not server.unexpected_log, f"{seeds}: {server.log}"
    assert Api(server).post(ROOM, "still here", ref="last").status == 201
