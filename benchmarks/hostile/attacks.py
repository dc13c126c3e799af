"""The attacks of one peer, one function each: from a side to its figures by name.

Each starts its own server and lasts some seconds. ``ATTACKS`` has what is attacked, in words.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import resource
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.hostile.floods import MARKS, READ_BYTES, RECEIVE_BUFFER, ROOM, UNKNOWN_ROOMS
from benchmarks.hostile.probe import Probe
from benchmarks.hostile.side import Figures, Side
from benchmarks.hostile.sockets import CLOSE_FRAME, build_message, open_websocket
from benchmarks.process import Server, find_free_port
from chat.core.frames import CLOSE, build_frame

SECONDS = 3.0
MEBIBYTE = 2**20
MARKED_TEXTS = 15
MARKED_VIEWERS = 100
POST_RATE = 20.0
LIST_ROOMS, LIST_COMMENTS = 300, 5
LIST_TEXT = "弹幕" * 50
LIST_TIMES = 20
UNREAD_SOCKETS = 60
UNREAD_REQUESTS = 200
UNREAD_SECONDS = 25.0
LONG_ROOMS, LONG_COMMENTS = 100, 300
LONG_TEXT = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 40  # 1,000 bytes
FILL_CHUNK = 50
FILL_THREADS = 8
ACK = re.compile(rb'"type":"ack","ref":"(\d+)","epoch":"[^"]*","seq":')
BUSY = re.compile(rb'"type":"reject","ref":"(\d+)","code":"busy"')
BUSY_SECONDS = 0.5
FULL_FILES = 1_024
FULL_SECONDS = 8.0
HEALTH_SECONDS = 0.1
FEW_FILES = 60
CLOSES = 90
JUNK = build_message({"type": "ping"}) * 200
TLS_REQUESTS = 50
LOG_SECONDS = 2.5


def flood_with_marks(side: Side) -> Figures:
    with side.start() as server, open_websocket(server.port, ROOM) as peer:
        took = []
        for _ in range(MARKED_TEXTS):
            began = time.monotonic()
            peer.sendall(MARKS)
            peer.recv(READ_BYTES)
            took.append(time.monotonic() - began)
        with side.flood("marks", server):
            report = side.load(server, MARKED_VIEWERS, POST_RATE, SECONDS)
    return {
        "ms of the loop for each text": 1000 * sorted(took)[len(took) // 2],
        "p99 of the others, ms": report.latency.p99_ms,
    }


def send_and_never_read(side: Side) -> Figures:
    with side.start() as server:
        before = greatest = server.memory()
        with Probe(server.port) as during, side.flood("deaf", server):
            ends = time.monotonic() + 2 * SECONDS
            while time.monotonic() < ends:
                time.sleep(0.1)
                greatest = max(greatest, server.memory())
        with Probe(server.port) as after:
            time.sleep(1)
    return {
        "memory, MiB more": (greatest - before) / MEBIBYTE,
        "longest standstill, ms": max(during.worst_ms, after.worst_ms),
    }


def flood_with(kind: str) -> Callable[[Side], Figures]:
    def measure(side: Side) -> Figures:
        with side.start() as server:
            with side.flood(kind, server) as flood, Probe(server.port) as probe:
                time.sleep(SECONDS)
            return {
                "answers a second": flood.counts.answers / SECONDS,
                "loop lag p99, ms": probe.p99_ms,
            }

    return measure


def list_rooms(side: Side) -> Figures:
    with side.start("--post-rate", "0") as server:
        fill_rooms(server, LIST_ROOMS, LIST_COMMENTS, LIST_TEXT)
        time.sleep(1.1)  # a list may be a second old
        sizes, took = [], []
        for _ in range(LIST_TIMES):
            began = time.monotonic()
            sizes.append(len(request(server, "/api/rooms")))
            took.append(time.monotonic() - began)
    return {
        "bytes of the answer": max(sizes),
        "ms for each request": 1000 * sorted(took)[len(took) // 2],
    }


def ask_and_never_read(side: Side) -> Figures:
    with side.start() as server, contextlib.ExitStack() as stack:
        before = server.count_sockets()
        began = time.monotonic()
        for _ in range(UNREAD_SOCKETS):
            peer = stack.enter_context(socket.socket())
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            peer.connect(("127.0.0.1", server.port))
            peer.setblocking(False)
            peer.send(b"GET /r/demo HTTP/1.1\r\nHost: a\r\n\r\n" * UNREAD_REQUESTS)
        time.sleep(1)
        held = server.count_sockets() - before
        while held > 0 and time.monotonic() < began + UNREAD_SECONDS:
            time.sleep(0.25)
            held = server.count_sockets() - before
        return {"still held": held, "after seconds": time.monotonic() - began}


def ask_for_unknown_rooms(side: Side) -> Figures:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        path = f"{folder}/bench.db"
        with side.start(database=path) as server:
            request(server, f"/api/rooms/{ROOM}/entries")
            with side.flood("unknown rooms", server):
                report = side.load(server, 20, POST_RATE, 2 * SECONDS)
            rooms = read_metric(server, "danmaku_rooms")
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT count(*) FROM rooms").fetchone()[0]
    return {
        "p99 of the others' acks, ms": report.ack_latency.p99_ms,
        f"rooms open after {UNKNOWN_ROOMS:,} requests": rooms - 1,
        "rows written": rows - 1,
    }


def keep_rooms_open(side: Side) -> Figures:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        path = f"{folder}/bench.db"
        with side.start("--post-rate", "0", database=path) as server:
            fill_rooms(server, LONG_ROOMS, LONG_COMMENTS, LONG_TEXT)
        with side.start(database=path) as server:
            before = server.memory()
            for number in range(LONG_ROOMS):
                request(server, f"/api/rooms/{ROOM}-{number}/entries?limit=1")
            grown = (server.memory() - before) / MEBIBYTE
    return {f"memory for {LONG_ROOMS} rooms, MiB more": grown}


def come_back_to_a_full_server(side: Side) -> Figures:
    with side.start(open_files=FULL_FILES) as server:
        asked = refused = 0
        with side.flood("full", server):
            ends = time.monotonic() + FULL_SECONDS
            while time.monotonic() < ends:
                asked += 1
                try:
                    request(server, "/healthz")
                except (OSError, http.client.HTTPException):
                    refused += 1
                time.sleep(HEALTH_SECONDS)
    return {"/healthz refused, of each 100": 100 * refused / asked}


def start_with_few_files(side: Side) -> Figures:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))

    port = find_free_port()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        process = subprocess.Popen(
            [
                *(sys.executable, "server.py", "--port", str(port)),
                *("--database", f"sqlite:///{folder}/bench.db"),
            ],
            cwd=side.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=limit,
        )
        while process.poll() is None and not is_listening(port):
            time.sleep(0.05)
        status: float | str = "it runs" if process.poll() is None else process.returncode
        process.terminate()
        output, _ = process.communicate()
    return {"exit status": status, "lines": len(output.splitlines())}


def send_after_close(side: Side) -> Figures:
    lost = resets = 0
    answer = build_frame(CLOSE, b"\x03\xe8")
    with side.start() as server:
        for _ in range(CLOSES):
            with open_websocket(server.port, ROOM) as peer:
                peer.sendall(CLOSE_FRAME + JUNK)
                with contextlib.suppress(OSError):
                    peer.sendall(JUNK)
                time.sleep(0.01)
                received = b""
                try:
                    while data := peer.recv(READ_BYTES):
                        received += data
                except ConnectionResetError:
                    resets += 1
                lost += answer not in received
    return {f"resets, of {CLOSES}": resets, f"close answers lost, of {CLOSES}": lost}


def send_http_to_tls_port(side: Side) -> Figures:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        chain, key = make_certificate(Path(folder))
        with side.start("--certfile", chain, "--keyfile", key) as server:
            time.sleep(0.5)
            before = len(server.read_output().splitlines())
            for _ in range(TLS_REQUESTS):
                with socket.create_connection(("127.0.0.1", server.port), timeout=5) as peer:
                    peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    with contextlib.suppress(OSError):
                        peer.recv(READ_BYTES)
            time.sleep(LOG_SECONDS)
            lines = len(server.read_output().splitlines()) - before
    return {f"lines in the log, of {TLS_REQUESTS} requests": lines}


class Attack(NamedTuple):
    """``title``: what the peer does; ``measure``: what that does to a side's server.

    ``repeats`` is for those that take few seconds.
    """

    title: str
    measure: Callable[[Side], Figures]
    repeats: int = 1


ATTACKS = {
    "marks": Attack("posts `a` + 2,000 × U+0301 + 2,000 × U+0323, 35 a second", flood_with_marks),
    "deaf": Attack("20 connections that send pings and never read", send_and_never_read),
    **{
        f"{kind.split()[0]}-alone": Attack(f"{kind} at line rate", flood_with(kind))
        for kind in ("pings", "renames", "pauses", "rejected posts")
    },
    "list": Attack(f"`GET /api/rooms` with {LIST_ROOMS} rooms of comments", list_rooms),
    "unread": Attack(
        f"{UNREAD_SOCKETS} connections that ask for pages and never read", ask_and_never_read
    ),
    "unknown": Attack(f"{UNKNOWN_ROOMS:,} × `GET /api/rooms/unknown-N`", ask_for_unknown_rooms),
    "rooms": Attack(
        f"{LONG_ROOMS} rooms × {LONG_COMMENTS} comments of 1,000 bytes, read by `GET`",
        keep_rooms_open,
    ),
    "full": Attack(
        f"a full server (`ulimit -n {FULL_FILES:,}`), and 300 viewers that reconnect as told",
        come_back_to_a_full_server,
    ),
    "files": Attack(f"start with `ulimit -n {FEW_FILES}`", start_with_few_files),
    "close": Attack("bytes after a close frame", send_after_close, repeats=2),
    "tls": Attack("plain HTTP to the TLS port", send_http_to_tls_port),
}


def fill_rooms(server: Server, rooms: int, comments: int, text: str) -> None:
    """Post comments to the rooms ``bench-0``, ``bench-1`` …, each over a connection of its own."""
    numbers = iter(range(rooms))

    def fill() -> None:
        for number in numbers:
            with open_websocket(server.port, f"{ROOM}-{number}") as poster:
                for first in range(0, comments, FILL_CHUNK):
                    post_all(poster, range(first, min(first + FILL_CHUNK, comments)), text)

    run_threads(fill)


def post_all(poster: socket.socket, refs: range, text: str) -> None:
    """Post a text under some refs, again where the server was too busy, until all are stored."""
    left = {str(ref) for ref in refs}
    while left:
        posts = [build_message({"type": "post", "ref": ref, "text": text}) for ref in left]
        poster.sendall(b"".join(posts))
        received, answers = bytearray(), 0
        while answers < len(posts):
            data = poster.recv(READ_BYTES)
            if not data:
                raise ConnectionError("the server closed the connection of a poster")
            received += data
            acked = set(ACK.findall(received))
            answers = len(acked) + len(set(BUSY.findall(received)))
        left -= {ref.decode() for ref in acked}
        if left:
            time.sleep(BUSY_SECONDS)


def run_threads(work: Callable[[], None]) -> None:
    """Do the same in a few threads, and raise what was raised there."""
    problems: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except (OSError, ValueError) as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run) for _ in range(FILL_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def is_listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def request(server: Server, target: str) -> bytes:
    """Return the body of an answer, over a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    with contextlib.closing(connection):
        connection.request("GET", target)
        return connection.getresponse().read()


def read_metric(server: Server, name: str) -> float:
    """Return a metric without labels."""
    found = re.search(rf"^{name} (\S+)$", request(server, "/metrics").decode(), re.MULTILINE)
    assert found, name
    return float(found[1])


def make_certificate(folder: Path) -> tuple[str, str]:
    """Return the files of a new certificate and its key."""
    chain, key = str(folder / "chain.pem"), str(folder / "key.pem")
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=127.0.0.1", "-keyout", key, "-out", chain),
        ],
        check=True,
        capture_output=True,
    )
    return chain, key
