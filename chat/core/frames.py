"""WebSocket frames (RFC 6455, section 5), bytes in and events out: no socket, no clock.

Reading is strict: what the RFC forbids is a ``FrameError`` with the close code to answer with.
Writing is for a server: frames are never masked and never fragmented.
"""

from __future__ import annotations

from typing import NamedTuple

TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA

_CONTINUATION = 0x0
_FIN = 0x80
_RESERVED = 0x70
_MASKED = 0x80

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
    size = len(payload)
    if size < 126:
        return bytes((_FIN | opcode, size)) + payload
    if size < 65_536:
        return bytes((_FIN | opcode, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_FIN | opcode, 127)) + size.to_bytes(8, "big") + payload


def build_close(code: int, message: str) -> bytes:
    """Build a close frame; the message is cut to the 123 bytes that a control frame has for it."""
    reason = message.encode()[:123].decode(errors="ignore").encode()
    return build_frame(CLOSE, code.to_bytes(2, "big") + reason)


class FrameReader:
    """Turns the bytes of one client into messages; holds at most one message of ``limit`` bytes."""

    __slots__ = ("_buffer", "_fragments", "_limit", "_opcode")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._buffer = b""
        self._opcode = 0
        self._fragments: bytearray | None = None

    def feed(self, data: bytes) -> list[Message]:
        """Take received bytes, return the messages that they complete; raises FrameError."""
        data = self._buffer + data if self._buffer else data
        messages: list[Message] = []
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
                    raise FrameError(1002, "a length is not in its shortest form")
            # A control frame may come between the fragments of a message and is no part of it.
            held = 0 if first & 0x0F >= CLOSE else len(self._fragments or b"")
            if held + size > self._limit:
                raise FrameError(1009, f"a message is larger than {self._limit} bytes")
            if end < start + size:
                break
            payload = _unmask(data[start - 4 : start], data[start : start + size])
            at = start + size
            message = self._assemble(first, payload)
            if message is not None:
                messages.append(message)
        self._buffer = data[at:]
        return messages

    def _check_head(self, first: int, second: int) -> None:
        opcode = first & 0x0F
        if first & _RESERVED:
            raise FrameError(1002, "a reserved bit is set and no extension was agreed")
        if not second & _MASKED:
            raise FrameError(1002, "a client's frame is not masked")
        if opcode >= CLOSE:
            if opcode > PONG:
                raise FrameError(1002, f"opcode {opcode} is not known")
            if not first & _FIN or second & 0x7F > 125:
                raise FrameError(1002, "a control frame is fragmented or too long")
        elif opcode > BINARY:
            raise FrameError(1002, f"opcode {opcode} is not known")
        elif (opcode == _CONTINUATION) != (self._fragments is not None):
            raise FrameError(1002, "a fragment has no beginning, or a message no end")

    def _assemble(self, first: int, payload: bytes) -> Message | None:
        opcode = first & 0x0F
        if opcode >= CLOSE or (first & _FIN and self._fragments is None):
            return Message(opcode, payload)
        if self._fragments is None:
            self._opcode, self._fragments = opcode, bytearray()
        self._fragments += payload
        if not first & _FIN:
            return None
        whole = bytes(self._fragments)
        self._fragments = None
        return Message(self._opcode, whole)


def _unmask(mask: bytes, data: bytes) -> bytes:
    # One exclusive-or of two long integers: the loop over the bytes runs in C.
    size = len(data)
    if not size:
        return data
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
