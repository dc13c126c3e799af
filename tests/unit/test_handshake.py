"""The handshake: which heads are accepted, and that both ways to upgrade agree."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.core.handshake import (
    MAX_HISTORY,
    Upgrade,
    build_upgrade_response,
    parse_head,
    read_upgrade,
)
from chat.core.reject import Rejection
from chat.core.wire import Cursor

KEY = base64.b64encode(bytes(range(16))).decode()
HEADERS = {
    "Host": "chat.example",
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": KEY,
}


def head(target: str = "/ws/demo", **more: str) -> bytes:
    lines = [f"{name}: {value}" for name, value in {**HEADERS, **more}.items()]
    return "\r\n".join([f"GET {target} HTTP/1.1", *lines, "", ""]).encode("latin-1")


def read(target: str = "/ws/demo", **more: str) -> Upgrade | Rejection:
    parsed = parse_head(head(target, **more))
    assert parsed is not None
    return read_upgrade(*parsed)


def test_plain_upgrade_is_parsed() -> None:
    assert read("/ws/demo?name=%E5%B0%8F%E6%98%8E&cursor=ab12:7&history=5") == Upgrade(
        room="demo",
        key=KEY,
        name="小明",
        cursor=Cursor("ab12", 7),
        recent=5,
        deflate=False,
    )


@pytest.mark.parametrize(
    "data",
    [
        head()[:-2],
        head() + b"\x81\x80\0\0\0\0",
        head().replace(b"\r\n", b"\n"),
        head().replace(b"HTTP/1.1", b"HTTP/1.0"),
        head("/r/demo"),
        head().replace(b"GET", b"POST"),
        head().replace(b"\r\n\r\n", b"\r\nHost: other\r\n\r\n"),
        head().replace(b"\r\n\r\n", b"\r\nX-Long: a\r\n b\r\n\r\n"),
        head("/ws/demo#\0"),
    ],
    ids="cut extended bare-newline old other-path other-method repeated folded control".split(),
)
def test_unusual_head_is_left_to_the_handler(data: bytes) -> None:
    assert parse_head(data) is None


@given(st.binary(max_size=300))
def test_no_bytes_make_reading_a_head_raise(data: bytes) -> None:
    for candidate in (data, b"GET /ws/" + data, head().replace(b"demo", data)):
        parsed = parse_head(candidate)
        if parsed is not None:
            assert isinstance(read_upgrade(*parsed), Upgrade | Rejection)


@given(st.integers(0, 10**12), st.integers(0, 6))
def test_history_is_never_more_than_allowed_however_it_is_written(count: int, zeros: int) -> None:
    asked = read(f"/ws/demo?history={'0' * zeros}{count}")
    if isinstance(asked, Upgrade):
        assert asked.recent == count <= MAX_HISTORY
    else:
        assert asked.code == "bad_parameter"


@pytest.mark.parametrize(
    ("offer", "granted"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", True),
        ("permessage-deflate; server_max_window_bits=10", False),
        ("permessage-deflate; server_max_window_bits=10, permessage-deflate", True),
        ("permessage-deflate; shiny", False),
        ("permessage-deflate; client_max_window_bits=10", True),
        ('permessage-deflate; client_max_window_bits="10"', True),
        ("permessage-deflate ;client_max_window_bits = 15", True),
        ("permessage-deflate; client_max_window_bits=99", False),
        ("permessage-deflate; client_max_window_bits=7", False),
        ("permessage-deflate; client_max_window_bits=08", False),
        ("permessage-deflate; client_max_window_bits=", False),
        ('permessage-deflate; client_max_window_bits="10', False),
        ("permessage-deflate; client_max_window_bits=99, permessage-deflate", True),
        ("permessage-deflate; client_no_context_takeover=1", False),
        ("permessage-deflate; server_no_context_takeover=true", False),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits=10", False),
        ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", False),
        ("permessage-deflate;", False),
        ("x-webkit-deflate-frame", False),
    ],
)
def test_compression_is_accepted_if_one_offer_can_be_accepted_unchanged(
    offer: str, granted: bool
) -> None:
    upgrade = read(**{"Sec-WebSocket-Extensions": offer})
    assert isinstance(upgrade, Upgrade)
    assert upgrade.deflate is granted
    assert (b"permessage-deflate" in build_upgrade_response(upgrade)) is granted


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"Content-Length": "5"}, "bad_request"),
        ({"Content-Length": "48"}, "bad_request"),
        ({"Content-Length": "0, 5"}, "bad_request"),
        ({"Transfer-Encoding": "chunked"}, "bad_request"),
        ({"Transfer-Encoding": "identity"}, "bad_request"),
    ],
    ids=str,
)
def test_upgrade_with_a_body_is_refused(more: dict[str, str], code: str) -> None:
    refused = read(**more)
    assert isinstance(refused, Rejection)
    assert refused.code == code


def test_upgrade_with_content_length_0_is_accepted() -> None:
    assert isinstance(read(**{"Content-Length": "0"}), Upgrade)


def test_upgrade_over_http_1_0_is_refused() -> None:
    parsed = parse_head(head())
    assert parsed is not None
    refused = read_upgrade(*parsed, "HTTP/1.0")
    assert isinstance(refused, Rejection)
    assert refused.code == "not_a_websocket"


@pytest.mark.parametrize("target", ["/ws/demo?histroy=5", "/ws/demo?name=a&curser=ab:1"])
def test_unknown_query_parameter_is_refused_by_name(target: str) -> None:
    refused = read(target)
    assert isinstance(refused, Rejection)
    assert refused.code == "bad_parameter"
    assert "histroy" in refused.message or "curser" in refused.message


def test_empty_query_parameters_count_as_absent() -> None:
    assert read("/ws/demo?name=&cursor=&history=") == read("/ws/demo")


def test_handshake_response_has_the_accept_key() -> None:
    # The example of RFC 6455, section 1.3.
    upgrade = read(**{"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    assert isinstance(upgrade, Upgrade)
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in build_upgrade_response(
        upgrade
    )
