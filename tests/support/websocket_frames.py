"""WebSocket frames as tests write and read them, by the ``websockets`` package.

The only encoder and decoder of the tests, and independent of ``chat.core.frames``.
"""

from __future__ import annotations

import json

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

FIN, RSV1 = 0x80, 0x40


def encode_frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv1: bool = False, mask: bool = True
) -> bytes:
    """Return one frame, as a client sends it if it is masked.

    Any opcode and any flag can be sent with any payload, also where RFC 6455 forbids it.
    """
    frame = Frame(Opcode.BINARY, payload).serialize(mask=mask)
    return bytes((fin * FIN | rsv1 * RSV1 | opcode,)) + frame[1:]


def encode_message(type: str, **fields: object) -> bytes:
    """Return a client's frame with one JSON message."""
    return encode_frame(Opcode.TEXT, json.dumps({"type": type, **fields}).encode())


def encode_close(code: int, reason: str = "", *, mask: bool = True) -> bytes:
    return encode_frame(Opcode.CLOSE, code.to_bytes(2, "big") + reason.encode(), mask=mask)


class FrameDecoder:
    """Decodes the frames of one side of a connection; ``mask`` is True for a client's."""

    def __init__(self, *, mask: bool = False) -> None:
        self._mask = mask
        self._stream = StreamReader()
        self._extension = PerMessageDeflate(
            remote_no_context_takeover=True,
            local_no_context_takeover=True,
            remote_max_window_bits=15,
            local_max_window_bits=15,
        )
        self._parser = self._parse_next()

    def _parse_next(self):
        return Frame.parse(self._stream.read_exact, mask=self._mask, extensions=[self._extension])

    def feed(self, data: bytes) -> list[Frame]:
        """Return the frames that are complete with this data, inflated."""
        self._stream.feed_data(data)
        frames: list[Frame] = []
        while True:
            try:
                next(self._parser)
            except StopIteration as done:
                frames.append(done.value)
                self._parser = self._parse_next()
            else:
                return frames


def decode_frames(data: bytes) -> list[Frame]:
    """Return the complete frames in the bytes of a server."""
    return FrameDecoder().feed(data)


def decode_messages(data: bytes) -> list[dict]:
    """Return the JSON messages in the bytes of a server."""
    return [json.loads(frame.data) for frame in decode_frames(data) if frame.opcode is Opcode.TEXT]


def close_code_of(frame: Frame) -> int:
    return int.from_bytes(frame.data[:2], "big")
