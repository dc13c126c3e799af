"""WebSocket frames against the rules of RFC 6455 and against a second implementation."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from websockets.exceptions import ProtocolError
from websockets.frames import Close, Frame, Opcode

from chat.core.frames import (
    BINARY,
    CLOSE,
    PING,
    PING_FRAME,
    PONG,
    TEXT,
    FrameError,
    FrameReader,
    Message,
    build_close,
    build_close_reply,
    build_compressed,
    build_frame,
    build_masked,
    inflate,
    read_frame,
)
from tests.support.websocket_frames import FIN, RSV1, decode_frames, encode_frame

LIMIT = 8 * 1024
MASK = b"\x11\x22\x33\x44"


def raw_frame(first: int, length: bytes, payload: bytes = b"") -> bytes:
    """A frame with a head of the test's choice, masked with zeros."""
    return bytes((first,)) + length + bytes(4) + payload


def decode_one(data: bytes) -> Frame:
    """Decode the bytes of a server, which are one frame to the last byte."""
    frame, after = decode_frames(data + encode_frame(PING, b"after", mask=False))
    assert (after.opcode, bytes(after.data)) == (Opcode.PING, b"after")
    return frame


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Message]]:
    """A client's bytes, and the messages in them: some in fragments, pings between these."""
    data, messages = b"", []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from([TEXT, BINARY, PING, PONG]))
        if kind in (PING, PONG):
            payload = draw(st.binary(max_size=125))
            data += encode_frame(kind, payload)
            messages.append(Message(kind, payload))
            continue
        batches = draw(st.lists(st.binary(max_size=200), min_size=1, max_size=4))
        whole = Message(kind, b"".join(batches))
        for place, piece in enumerate(batches):
            last = place == len(batches) - 1
            data += encode_frame(kind if place == 0 else 0, piece, fin=last)
            if not last and draw(st.booleans()):
                data += encode_frame(PING, b"between")
                messages.append(Message(PING, b"between"))
        messages.append(whole)
    return data, messages


@given(conversations(), st.data())
def test_messages_are_the_same_however_the_bytes_arrive(
    conversation: tuple[bytes, list[Message]], data: st.DataObject
) -> None:
    stream, messages = conversation
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader, read = FrameReader(LIMIT), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        read += reader.feed(stream[start:end])
    assert read == messages


def test_messages_are_the_same_byte_by_byte() -> None:
    stream = encode_frame(TEXT, b"x" * 300) + encode_frame(PING, b"!") + encode_frame(TEXT, b"")
    reader = FrameReader(LIMIT)
    read = [message for byte in stream for message in reader.feed(bytes((byte,)))]
    assert read == [Message(TEXT, b"x" * 300), Message(PING, b"!"), Message(TEXT, b"")]


@given(st.sampled_from([TEXT, BINARY, PONG]), st.binary(max_size=300))
def test_built_frame_is_decoded_by_another_library(opcode: int, payload: bytes) -> None:
    frame = decode_one(build_frame(opcode, payload))
    assert (frame.opcode, bytes(frame.data), frame.fin) == (opcode, payload, True)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_built_frame_of_every_length_form_is_decoded_by_another_library(size: int) -> None:
    payload = bytes(size)
    assert bytes(decode_one(build_frame(TEXT, payload)).data) == payload


def test_ping_frame_is_decoded_by_another_library() -> None:
    assert decode_one(PING_FRAME).opcode == Opcode.PING


@given(st.integers(1000, 4999), st.text(max_size=200))
def test_built_close_fits_a_control_frame_and_is_valid_text(code: int, message: str) -> None:
    message = message.encode(errors="ignore").decode()
    frame = decode_one(build_close(code, message))
    assert len(frame.data) <= 125
    reason = bytes(frame.data[2:]).decode()
    assert int.from_bytes(frame.data[:2], "big") == code
    assert message.startswith(reason)
    assert len(reason.encode()) == len(message.encode()) or len(reason.encode()) > 119


def test_close_frame_of_a_client_is_a_message() -> None:
    payload = Close(1000, "done").serialize()
    assert list(FrameReader(LIMIT).feed(encode_frame(CLOSE, payload))) == [Message(CLOSE, payload)]


@given(
    st.builds(
        lambda code, reason: code.to_bytes(2, "big") + reason,
        st.integers(995, 1020) | st.integers(2995, 5005) | st.integers(0, 2**16 - 1),
        st.text(max_size=30).map(lambda text: text.encode(errors="ignore")) | st.binary(max_size=9),
    )
    | st.binary(max_size=2)
)
def test_close_is_answered_with_its_code_where_another_reader_takes_it(payload: bytes) -> None:
    try:
        Close.parse(payload)
    except (ProtocolError, UnicodeDecodeError):
        with pytest.raises(FrameError) as refusal:
            build_close_reply(payload)
        assert refusal.value.code == 1002
    else:
        assert build_close_reply(payload) == payload[:2]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535])
def test_close_with_a_code_that_is_never_sent_is_refused(code: int) -> None:
    with pytest.raises(FrameError):
        build_close_reply(code.to_bytes(2, "big"))


def test_close_without_a_code_is_answered_without_one() -> None:
    assert build_close_reply(b"") == b""


SIX = b"\x80"  # the mask bit and a length of 0

VIOLATIONS = {
    "not masked": (b"\x81\x02hi", 1002),
    "reserved bit": (raw_frame(FIN | RSV1 | TEXT, SIX), 1002),
    "unknown data opcode": (raw_frame(FIN | 0x3, SIX), 1002),
    "unknown control opcode": (raw_frame(FIN | 0xB, SIX), 1002),
    "control in fragments": (raw_frame(PING, SIX), 1002),
    "control too long": (raw_frame(FIN | PING, b"\xfe\x00\x7e", bytes(126)), 1002),
    "continuation of nothing": (raw_frame(FIN, SIX), 1002),
    "message within a message": (
        encode_frame(TEXT, b"a", fin=False) + encode_frame(TEXT, b"b"),
        1002,
    ),
    "length not in its shortest form": (raw_frame(FIN | TEXT, b"\xfe\x00\x05", b"short"), 1002),
    "length not in its shortest form, wide": (
        raw_frame(FIN | TEXT, b"\xff" + struct.pack(">Q", 300), bytes(300)),
        1002,
    ),
    "too large": (encode_frame(TEXT, bytes(LIMIT + 1)), 1009),
    "too large in fragments": (
        encode_frame(TEXT, bytes(LIMIT), fin=False) + encode_frame(0, b"!"),
        1009,
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_violation_is_refused_with_close_code(name: str) -> None:
    data, code = VIOLATIONS[name]
    with pytest.raises(FrameError) as refusal:
        list(FrameReader(LIMIT).feed(data))
    assert refusal.value.code == code
    assert str(refusal.value)


@pytest.mark.parametrize("size", [LIMIT + 1, 2**16, 2**32, 2**63 - 1, 2**64 - 1])
def test_announced_length_is_refused_before_its_bytes_come(size: int) -> None:
    wide = b"\xff" + struct.pack(">Q", size) if size >= 2**16 else b"\xfe" + struct.pack(">H", size)
    with pytest.raises(FrameError) as refusal:
        list(FrameReader(LIMIT).feed(raw_frame(FIN | TEXT, wide)))
    assert refusal.value.code == 1009


def test_message_of_exactly_the_limit_is_read() -> None:
    payload = b"x" * LIMIT
    assert list(FrameReader(LIMIT).feed(encode_frame(TEXT, payload))) == [Message(TEXT, payload)]
    halves = encode_frame(TEXT, payload[:4096], fin=False) + encode_frame(0, payload[4096:])
    assert list(FrameReader(LIMIT).feed(halves)) == [Message(TEXT, payload)]


def test_ping_between_the_fragments_of_a_large_message_is_no_part_of_it() -> None:
    payload = b"x" * LIMIT
    stream = encode_frame(TEXT, payload, fin=False) + encode_frame(PING, b"p" * 125)
    stream += encode_frame(0, b"")
    assert list(FrameReader(LIMIT).feed(stream)) == [
        Message(PING, b"p" * 125),
        Message(TEXT, payload),
    ]


# Compressed messages: in one block, in two final blocks, with an empty block or none at the end.
INFLATED = {
    "f248cdc9c90700": b"Hello",
    "f348cdc9c9070000": b"Hello",
    "f348cdc9c90700": b"Hello",
    "ab562aa92c4855b20200532ac8cc4b57aa050000": b'{"type":"ping"}',
    "00": b"",
}


@pytest.mark.parametrize("payload", INFLATED)
def test_deflated_message_is_read_in_whatever_blocks_it_comes(payload: str) -> None:
    frame = encode_frame(TEXT, bytes.fromhex(payload), rsv1=True)
    assert list(FrameReader(LIMIT, deflate=True).feed(frame)) == [Message(TEXT, INFLATED[payload])]


@pytest.mark.parametrize(
    "payload",
    [
        "f348cdc9c907006869",
        "f348cdc9c90700ff",
        "f348cdc9c9070000ff",
        "f248cdc9c907",
        "000500faff48656c",
        "",
        "0300" * 60 + "00",
    ],
    ids="text-behind byte-behind byte-behind-empty-block truncated stored-truncated nothing "
    "too-many-blocks".split(),
)
def test_deflated_message_with_bytes_behind_its_final_block_or_a_truncated_block_is_1007(
    payload: str,
) -> None:
    with pytest.raises(FrameError) as refusal:
        inflate(bytes.fromhex(payload), LIMIT)
    assert refusal.value.code == 1007


@given(st.text(min_size=1, max_size=300), st.data())
def test_deflated_message_cut_anywhere_is_refused(text: str, data: st.DataObject) -> None:
    deflate = zlib.compressobj(wbits=-15, strategy=zlib.Z_FIXED)
    payload = deflate.compress(text.encode()) + deflate.flush(zlib.Z_SYNC_FLUSH)
    # Not in a stored block, whose first byte alone is a whole message that is empty. zlib stores
    # what would grow otherwise (RFC 1951, section 3.2.3: bits 1 and 2 are the type, 0 is stored).
    assume(payload[0] & 0b110)
    payload = payload.removesuffix(b"\0\0\xff\xff")
    assume(payload[0] & 0b110)  # zlib stores a text that it cannot make shorter
    assert inflate(payload, LIMIT) == text.encode()
    with pytest.raises(FrameError):
        inflate(payload[: data.draw(st.integers(0, len(payload) - 1))], LIMIT)


def test_later_block_may_refer_to_the_text_of_a_final_one() -> None:
    first, second = zlib.compressobj(wbits=-15), zlib.compressobj(wbits=-15, zdict=b"a long text")
    payload = first.compress(b"a long text") + first.flush()
    payload += second.compress(b"a long text") + second.flush(zlib.Z_SYNC_FLUSH)
    assert inflate(payload[:-4], LIMIT) == b"a long text" * 2


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_frame_error(data: bytes) -> None:
    with contextlib.suppress(FrameError):
        list(FrameReader(LIMIT).feed(data))


def test_message_before_a_violation_is_delivered() -> None:
    received: list[Message] = []
    with pytest.raises(FrameError):
        for message in FrameReader(LIMIT).feed(encode_frame(TEXT, b"last words") + b"\xff\xff"):
            received.append(message)
    assert received == [Message(TEXT, b"last words")]


@given(st.binary(max_size=70_000), st.binary(min_size=4, max_size=4))
def test_masked_frame_is_read_by_the_server_with_its_payload(payload: bytes, mask: bytes) -> None:
    frame = build_masked(BINARY, payload, mask)
    assert frame[: len(frame) - len(payload)].endswith(mask)
    assert list(FrameReader(70_000).feed(frame)) == [Message(BINARY, payload)]


@given(st.binary(max_size=70_000), st.binary(max_size=5), st.binary(max_size=5))
def test_client_finds_the_frame_of_a_server_once_its_head_is_there(
    payload: bytes, before: bytes, after: bytes
) -> None:
    frame = build_frame(TEXT, payload)
    found = read_frame(before + frame + after, len(before), 70_000)
    assert found is not None
    assert (before + frame + after)[found.start : found.end] == payload
    assert found.end == len(before + frame)
    head = len(frame) - len(payload)
    assert all(read_frame(frame[:size], 0, 70_000) is None for size in range(head))
    assert read_frame(frame[:head], 0, 70_000) is not None


@given(st.text(min_size=1_000, max_size=2_000))
def test_client_inflates_what_a_server_compressed(text: str) -> None:
    frame = build_compressed(TEXT, text.encode())
    found = read_frame(frame, 0, 70_000)
    assert found is not None
    payload = frame[found.start : found.end]
    assert (inflate(payload, 70_000) if found.compressed else payload) == text.encode()


@pytest.mark.parametrize(
    ("frame", "code"),
    {
        "masked": (b"\x81\x81abcd!", 1002),
        "begins a fragmented message": (b"\x01\x01!", 1002),
        "continues a fragmented message": (b"\x80\x01!", 1002),
        "reserved bit": (b"\xb1\x01!", 1002),
        "too large": (b"\x81\x7f" + (2**40).to_bytes(8, "big"), 1009),
    }.values(),
)
def test_client_refuses_what_this_server_never_sends(frame: bytes, code: int) -> None:
    with pytest.raises(FrameError) as refused:
        read_frame(frame, 0, 70_000)
    assert refused.value.code == code
