"""The bare loop: a plain `socket.send` of one encoded frame to each socket, and nothing else.

The lower bound for any server in Python. It is not a real server: it checks no handshake, trusts
every byte, and fails with its first slow viewer. NODELAY and SO_SNDBUF are as in ours. On SIGTERM
it prints the duration of each whole pass, in milliseconds.
"""

from __future__ import annotations

import re
import select
import signal
import socket
import sys
import time

from benchmarks.peers.room import BACKLOG, Room
from chat.app import SEND_BUFFER
from chat.core.frames import TEXT, FrameError, FrameReader, build_frame
from chat.core.handshake import accept_key

RESPONSE = b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "

room = Room()
passes: list[float] = []
viewers: dict[int, socket.socket] = {}


def upgrade(viewer: socket.socket, head: bytes) -> None:
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", head)
    if key is not None:
        accept = accept_key(key[1].decode())
        welcome = build_frame(TEXT, room.welcome().encode())
        viewer.send(RESPONSE + accept + b"\r\n\r\n" + welcome)
        viewers[viewer.fileno()] = viewer


def send_to_all(raw: bytes, sender: socket.socket) -> None:
    ack, batch = room.post(raw)
    sender.send(build_frame(TEXT, ack.encode()))
    frame = build_frame(TEXT, batch.encode())
    started = time.monotonic()
    for viewer in viewers.values():
        viewer.send(frame)
    passes.append((time.monotonic() - started) * 1000)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=BACKLOG)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    epoll = select.epoll()
    epoll.register(listener, select.EPOLLIN)
    sockets: dict[int, socket.socket] = {}
    while True:
        for descriptor, _ in epoll.poll():
            if descriptor == listener.fileno():
                viewer, _ = listener.accept()
                viewer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sockets[viewer.fileno()] = viewer
                epoll.register(viewer, select.EPOLLIN)
            elif not read(sockets[descriptor]):
                viewers.pop(descriptor, None)
                sockets.pop(descriptor).close()


def read(viewer: socket.socket) -> bool:
    """Handle what a viewer sent; return False if it is gone."""
    try:
        data = viewer.recv(4096)
        if viewer.fileno() not in viewers:
            upgrade(viewer, data)
        else:
            for message in FrameReader(65536).feed(data):
                if message.opcode == TEXT:
                    send_to_all(message.payload, viewer)
    except (OSError, FrameError):
        return False
    return bool(data)


def print_passes(*_: object) -> None:
    print(*(f"{length:.3f}" for length in passes), flush=True)
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, print_passes)
    main()
