"""How long a viewer waits for a pong while many others connect at the same moment.

    python -m benchmarks.newcomers [FOLDER ...]

Each folder is a checkout; without one, this tree. They take turns, each with a new server on one
core and the load on another. A pong is late by what the event loop does in between.
"""

from __future__ import annotations

import base64
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEWCOMERS = 400
ROUNDS = 7
TURNS = 3
WATCHERS = 20  # so that none exceeds its budget of messages
PING_SECONDS = 0.004
WATCHED_SECONDS = 1.0
PING, PONG = b"\x89\x80\0\0\0\0", b"\x8a\x00"


@contextmanager
def run_server(folder: Path) -> Iterator[int]:
    """Run a checkout's server on core 0; yield its port."""
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "server.py", "--port", "0", "--database", "sqlite://"]
        server = subprocess.Popen(
            ["taskset", "-c", "0", *command], cwd=folder, stdout=subprocess.PIPE, stderr=log
        )
        assert server.stdout is not None
        try:
            line = server.stdout.readline().decode()
            yield int(line.split("Open ")[1].split("/")[2].rpartition(":")[2])
        finally:
            server.terminate()
            server.wait()


def make_head(port: int) -> bytes:
    """Return the head of an upgrade."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET /ws/demo HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def enter(port: int) -> socket.socket:
    """Return a viewer that has joined."""
    viewer = socket.create_connection(("127.0.0.1", port))
    viewer.sendall(make_head(port))
    while b'"welcome"' not in viewer.recv(65_536):
        pass
    return viewer


def measure_pong(viewer: socket.socket) -> float:
    """Return the seconds until the pong."""
    began = time.perf_counter()
    viewer.sendall(PING)
    while PONG not in viewer.recv(65_536):
        pass
    return time.perf_counter() - began


def measure_round(port: int, watchers: list[socket.socket]) -> float:
    """Return the longest pong, in seconds, while the newcomers connect."""
    newcomers = []
    for _ in range(NEWCOMERS):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", port))
        newcomers.append((one, make_head(port)))
    time.sleep(0.05)
    ends = time.perf_counter() + WATCHED_SECONDS
    for one, head in newcomers:
        one.send(head)
    longest, turn = 0.0, 0
    while time.perf_counter() < ends:
        longest = max(longest, measure_pong(watchers[turn % WATCHERS]))
        turn += 1
        time.sleep(PING_SECONDS)
    for one, _ in newcomers:
        one.close()
    time.sleep(WATCHED_SECONDS)
    return longest


def main() -> None:
    """Print the longest pongs of each checkout, in milliseconds."""
    os.sched_setaffinity(0, {1})
    folders = [Path(one).resolve() for one in sys.argv[1:]] or [Path.cwd()]
    print(f"longest pong while {NEWCOMERS} viewers connect at once, ms; {ROUNDS} rounds")
    for _ in range(TURNS):
        for folder in folders:
            with run_server(folder) as port:
                watchers = [enter(port) for _ in range(WATCHERS)]
                longest = [1_000 * measure_round(port, watchers) for _ in range(ROUNDS)]
            middle = statistics.median(longest)
            print(f"{folder.name:>12}: median {middle:5.1f}, largest {max(longest):5.1f}")


if __name__ == "__main__":
    main()
