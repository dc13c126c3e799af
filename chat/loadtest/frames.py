"""WebSocket bytes as a client sees them.

The opening handshake, frames out, frame heads in. Pure: bytes to values. It refuses what a server
of this product never sends and a load test should not hide: masked frames, fragments, and
compression that keeps a context between messages (every viewer would need an inflater of its own).
RFC 6455 sections 4 and 5; RFC 7692 section 7.
"""

from __future__ import annotations

import base64
import hashlib
import random
import zlib
from typing import NamedTuple

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
ACCEPT_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FRAME_LIMIT = (
    16 * 1024 * 1024
)  # bytes; more than any answer has, and a bound on what a viewer buffers
DEFLATE_TAIL = b"\x00\x00\xff\xff"
DEFLATE_OFFER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


class ProtocolError(Exception):
    """Bytes that break the protocol, or use a part of it that the tester does not speak."""


class FrameHead(NamedTuple):
    """Where a frame lies in the bytes received."""

    opcode: int
    compressed: bool
    start: int  # of the payload
    end: int  # of the frame


class Answer(NamedTuple):
    """What the server answered to the handshake; `problem` is empty when the WebSocket is open."""

    problem: str
    deflate: bool
    end: int


def make_key() -> str:
    """Return a `Sec-WebSocket-Key`; one serves a whole process."""
    return base64.b64encode(random.randbytes(16)).decode()


def build_handshake(authority: str, path: str, key: str, deflate: bool) -> bytes:
    """Return the request that opens a WebSocket."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {authority}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
        "User-Agent: chat.loadtest",
    ]
    if deflate:
        lines.append(f"Sec-WebSocket-Extensions: {DEFLATE_OFFER}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def read_handshake(data: bytes, key: str) -> Answer | None:
    """None while the head is not whole."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        if len(data) > 65536:
            raise ProtocolError("the answer to the handshake has no end")
        return None
    status, *lines = data[:end].split(b"\r\n")
    words = status.split(b" ", 2)
    if len(words) < 2 or words[1] != b"101":
        return Answer(
            f"HTTP {words[1].decode('latin-1')}" if len(words) > 1 else "no HTTP", False, end + 4
        )
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in lines)
    }
    expected = base64.b64encode(hashlib.sha1(key.encode() + ACCEPT_SUFFIX).digest())
    if headers.get(b"sec-websocket-accept") != expected:
        return Answer("wrong Sec-WebSocket-Accept", False, end + 4)
    extensions = headers.get(b"sec-websocket-extensions", b"")
    if extensions and b"server_no_context_takeover" not in extensions:
        return Answer("compression with a context for each viewer", False, end + 4)
    return Answer("", bool(extensions), end + 4)


def build_frame(opcode: int, payload: bytes) -> bytes:
    """A whole client frame, masked as a client's must be (RFC 6455 section 5.3)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    key = random.randbytes(4)
    pad = (key * (size // 4 + 1))[:size]
    masked = int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")
    return head + key + masked.to_bytes(size, "big")


def read_head(data: bytes, position: int) -> FrameHead | None:
    """The frame that begins at `position`; None while it is not whole."""
    available = len(data) - position
    if available < 2:
        return None
    first, size = data[position], data[position + 1]
    start = position + 2
    if size >= 0x80:
        raise ProtocolError("a masked frame from the server")
    if not first & 0x80 or not first & 0x0F:
        raise ProtocolError("a message in fragments")
    if first & 0x30:
        raise ProtocolError("reserved bits that nobody negotiated")
    if size == 126:
        if available < 4:
            return None
        size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
    elif size == 127:
        if available < 10:
            return None
        size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        if size > FRAME_LIMIT:
            raise ProtocolError(f"a frame of {size} bytes")
    end = start + size
    return FrameHead(first & 0x0F, bool(first & 0x40), start, end) if end <= len(data) else None


def inflate(payload: bytes) -> bytes:
    """One message compressed without context (RFC 7692 section 7.2.2)."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = inflater.decompress(payload + DEFLATE_TAIL, FRAME_LIMIT)
    except zlib.error as problem:
        raise ProtocolError(f"a message that does not inflate: {problem}") from None
    if inflater.unconsumed_tail:
        raise ProtocolError("a message that inflates without end")
    return data


def read_close_code(payload: bytes) -> int:
    """1005 stands for a close frame without a code (RFC 6455 section 7.1.5)."""
    return int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
