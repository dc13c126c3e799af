"""Reads what a server sent, with the frame parser of another library."""

from __future__ import annotations

import json

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader


def read_frames(data: bytes) -> list[Frame]:
    """Return the whole frames in the bytes of a server."""
    stream = StreamReader()
    stream.feed_data(data)
    extension = PerMessageDeflate(
        remote_no_context_takeover=True,
        local_no_context_takeover=True,
        remote_max_window_bits=15,
        local_max_window_bits=15,
    )
    frames: list[Frame] = []
    while True:
        parser = Frame.parse(stream.read_exact, mask=False, extensions=[extension])
        try:
            next(parser)
        except StopIteration as end:
            frames.append(end.value)
        else:
            return frames


def read_messages(data: bytes) -> list[dict]:
    """Return the JSON messages in the bytes of a server."""
    return [json.loads(frame.data) for frame in read_frames(data) if frame.opcode is Opcode.TEXT]
