"""WebSocket frames (RFC 6455, section 5), bytes in and events out: no socket, no clock.

Reading is strict: what the RFC forbids is a ``FrameError`` with the close code to reply with.
Frames are written whole, never in fragments. Compression (RFC 7692) is without context in both
directions: each message stands alone. Most of it is for a server; ``build_masked`` and
``read_frame`` are what a client needs.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple

TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA

_CONTINUATION = 0x0
_FIN = 0x80
_COMPRESSED = 0x40
_RESERVED = 0x30
_MASKED = 0x80
_TAIL = b"\x00\x00\xff\xff"
# A stored final block with one byte: it is read as such only where a block may begin.
_END_MARK = b"."
_END_BLOCK = b"\x01\x01\x00\xfe\xff" + _END_MARK
_WINDOW = 1 << zlib.MAX_WBITS
# Each final block needs a new decompressor. Compressors write one at most, or one a flush.
_FINAL_BLOCKS = 16
_DEFLATE_LEVEL = 6
_DEFLATE_LEVEL_LARGE = 1
_LARGE = 32 * 1024

PING_FRAME = bytes((_FIN | PING, 0))


class Message(NamedTuple):
    """A whole message, or a control frame; ``opcode`` is TEXT, BINARY, CLOSE, PING or PONG."""

    opcode: int
    payload: bytes


class FrameError(Exception):
    """The peer broke the protocol; ``code`` is the close code of RFC 6455, section 7.4.1."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def build_frame(opcode: int, payload: bytes) -> bytes:
    """Build one whole frame as a server sends it."""
    return _build(_FIN | opcode, payload)


def build_masked(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """Build one whole frame as a client sends it; ``mask`` is four random bytes (section 5.3)."""
    frame = build_frame(opcode, payload)
    start = len(frame) - len(payload)
    head = bytes((frame[0], frame[1] | _MASKED)) + frame[2:start]
    return head + mask + _apply_mask(mask, payload)


def build_compressed(opcode: int, payload: bytes) -> bytes:
    """Build one whole compressed frame; plain when compressing does not make it smaller."""
    level = _DEFLATE_LEVEL if len(payload) < _LARGE else _DEFLATE_LEVEL_LARGE
    deflate = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = deflate.compress(payload) + deflate.flush(zlib.Z_SYNC_FLUSH)
    packed = packed.removesuffix(_TAIL)
    if len(packed) >= len(payload):
        return build_frame(opcode, payload)
    return _build(_FIN | _COMPRESSED | opcode, packed)


def _build(head: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((head, size)) + payload
    if size < 65_536:
        return bytes((head, 126)) + size.to_bytes(2, "big") + payload
    return bytes((head, 127)) + size.to_bytes(8, "big") + payload


def build_close(code: int, message: str) -> bytes:
    """Build a close frame; the message is cut to 123 bytes, the most that a control frame holds."""
    reason = message.encode()[:123].decode(errors="ignore").encode()
    return build_frame(CLOSE, code.to_bytes(2, "big") + reason)


def build_close_reply(payload: bytes) -> bytes:
    """Return the payload of the reply to a close frame: its code (RFC 6455, section 5.5.1).

    Raises FrameError where the RFC forbids the code, or the reason after it is no text.
    """
    if not payload:
        return b""
    code = int.from_bytes(payload[:2], "big")
    known = (1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999
    if len(payload) < 2 or not known or not is_utf8(payload[2:]):
        raise FrameError(1002, "The close frame was not valid.")
    return payload[:2]


def is_utf8(data: bytes) -> bool:
    """Return whether bytes are valid UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def inflate(payload: bytes, limit: int) -> bytes:
    """Decompress a message of at most ``limit`` bytes; raises FrameError.

    A final block does not end the message (RFC 7692, section 7.2.3.4): more blocks may follow, and
    what follows must be blocks. The last one must be complete.
    """
    data = b""
    rest = payload
    try:
        for _ in range(_FINAL_BLOCKS):
            inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=data[-_WINDOW:])
            data += inflater.decompress(rest, limit + 1 - len(data))
            if len(data) > limit:
                raise FrameError(1009, f"A message was larger than {limit} bytes.")
            rest = inflater.unused_data
            if not inflater.eof:
                if inflater.decompress(_TAIL + _END_BLOCK, 2) != _END_MARK or not inflater.eof:
                    raise FrameError(1007, "A compressed message was incomplete.")
                rest = inflater.unused_data
                break
            if not rest:
                break
    except zlib.error as error:
        raise FrameError(1007, "A compressed message was damaged.") from error
    if rest:
        raise FrameError(1007, "A compressed message had bytes behind its end.")
    return data


class FrameReader:
    """Decodes one client's bytes into messages of at most ``limit`` bytes; buffers at most one.

    With ``deflate`` a message may be compressed, and is not larger than the limit after it either.
    """

    __slots__ = (
        "_buffer",
        "_compressed",
        "_deflate",
        "_fragments",
        "_limit",
        "_opcode",
        "fragments_read",
    )

    def __init__(self, limit: int, *, deflate: bool = False) -> None:
        self._limit = limit
        self._deflate = deflate
        self._compressed = False
        self._buffer = b""
        self._opcode = 0
        self._fragments: bytearray | None = None
        self.fragments_read = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield the messages that are complete with these bytes; raises FrameError.

        What came whole before a violation is yielded first.
        """
        data = self._buffer + data if self._buffer else data
        at = 0
        end = len(data)
        while end - at >= 2:
            first, second = data[at], data[at + 1]
            size = second & 0x7F
            start = at + 6
            self._check_head(first, second)
            if size >= 126:
                width = 2 if size == 126 else 8
                start += width
                if end < start - 4:
                    break
                size = int.from_bytes(data[at + 2 : at + 2 + width], "big")
                if size < (126 if width == 2 else 65_536):
                    raise FrameError(1002, "The length of a frame was not in its shortest form.")
            # A control frame may come between the fragments of a message and is no part of it.
            held = 0 if first & 0x0F >= CLOSE else len(self._fragments or b"")
            if held + size > self._limit:
                raise FrameError(1009, f"A message was larger than {self._limit} bytes.")
            if end < start + size:
                break
            payload = _apply_mask(data[start - 4 : start], data[start : start + size])
            at = start + size
            message = self._assemble(first, payload)
            if message is not None:
                yield message
            else:
                self.fragments_read += 1
        self._buffer = data[at:]

    def _check_head(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        starts = 0 < opcode < CLOSE
        if first & _RESERVED or (first & _COMPRESSED and not (self._deflate and starts)):
            raise FrameError(1002, "A reserved bit was set without an extension.")
        if not second & _MASKED:
            raise FrameError(1002, "A frame was not masked.")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise FrameError(1002, f"A frame had the unknown opcode {opcode}.")
            if not first & _FIN or second & 0x7F > 125:
                raise FrameError(1002, "A control frame was in fragments or too long.")
        elif opcode > BINARY:
            raise FrameError(1002, f"A frame had the unknown opcode {opcode}.")
        elif (opcode == _CONTINUATION) != (self._fragments is not None):
            raise FrameError(1002, "A fragment had no beginning, or a message no end.")

    def _assemble(self, first: int, payload: bytes) -> Message | None:
        opcode = first & 0x0F
        if opcode >= CLOSE:
            return Message(opcode, payload)
        if self._fragments is None:
            self._opcode = opcode
            self._compressed = bool(first & _COMPRESSED)
            if not first & _FIN:
                self._fragments = bytearray(payload)
                return None
        else:
            self._fragments += payload
            if not first & _FIN:
                return None
            payload = bytes(self._fragments)
            self._fragments = None
        if self._compressed:
            payload = inflate(payload, self._limit)
        return Message(self._opcode, payload)


class ServerFrame(NamedTuple):
    """Where a server's frame lies in received bytes; ``end`` may lie behind them."""

    opcode: int
    compressed: bool
    start: int  # of the payload
    end: int


def read_frame(data: bytes, at: int, limit: int) -> ServerFrame | None:
    """Read the head of a server's frame that begins at ``at``; None while it is not complete.

    For a client that compares frames as bytes. Raises FrameError for fragments, and for a payload
    of more than ``limit`` bytes.
    """
    if len(data) - at < 2:
        return None
    first, size = data[at], data[at + 1]
    start = at + 2
    if size & _MASKED:
        raise FrameError(1002, "A frame of the server was masked.")
    if not first & _FIN or not first & 0x0F:
        raise FrameError(1002, "A message came in fragments.")
    if first & _RESERVED:
        raise FrameError(1002, "A reserved bit was set without an extension.")
    if size >= 126:
        width = 2 if size == 126 else 8
        if len(data) < start + width:
            return None
        size, start = int.from_bytes(data[start : start + width], "big"), start + width
    if size > limit:
        raise FrameError(1009, f"A frame was larger than {limit} bytes.")
    return ServerFrame(first & 0x0F, bool(first & _COMPRESSED), start, start + size)


def _apply_mask(mask: bytes, data: bytes) -> bytes:
    # One exclusive or of two big integers, so that the loop over the bytes runs in C.
    size = len(data)
    if not size:
        return data
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
