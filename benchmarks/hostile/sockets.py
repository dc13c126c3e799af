"""Blocking WebSocket connections to a server on loopback, with frames that are built by hand."""

from __future__ import annotations

import socket

import msgspec

from chat.core.frames import CLOSE, TEXT, build_masked

MASK = b"mask"
SECONDS = 20.0
HEAD_END = b"\r\n\r\n"
UPGRADE = (
    "GET /ws/{room}?history=0 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
)
CLOSE_FRAME = build_masked(CLOSE, b"\x03\xe8", MASK)


def build_upgrade(port: int, room: str, headers: str = "") -> bytes:
    """Return the request that opens a connection."""
    return UPGRADE.format(port=port, room=room, headers=headers).encode()


def build_message(message: dict[str, object]) -> bytes:
    """Return a frame with a JSON message."""
    return build_masked(TEXT, msgspec.json.encode(message), MASK)


def open_websocket(port: int, room: str) -> socket.socket:
    """Return a connection whose welcome was read."""
    opened = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.sendall(build_upgrade(port, room))
    received = b""
    while b'"welcome"' not in received:
        data = opened.recv(65_536)
        if not data:
            raise ConnectionError(f"no welcome: {received[:200]!r}")
        received += data
    return opened
