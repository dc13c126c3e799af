"""Whose pages may connect and post."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.web.origin import is_allowed_origin

HOST = "chat.example:8888"
ALLOWED = ("https://example.org", "http://localhost:3000")


@pytest.mark.parametrize(
    "origin",
    [
        None,  # a script
        "http://chat.example:8888",
        "https://chat.example:8888",  # behind a proxy that ends TLS
        "http://CHAT.example:8888",
        "https://example.org",
        "http://localhost:3000",
    ],
)
def test_origin_is_allowed(origin: str | None) -> None:
    assert is_allowed_origin(origin, HOST, ALLOWED)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://chat.example",
        "http://chat.example:8889",
        "http://evil.example",
        "http://chat.example:8888.evil.example",
        "http://evil.example/chat.example:8888",
        "http://chat.example:8888@evil.example",
        "http://example.org",
        "https://example.org:8443",
        "https://sub.example.org",
        "https://example.org.evil.example",
        "http://[",
        "http://[::1",
    ],
)
def test_origin_is_refused(origin: str) -> None:
    assert not is_allowed_origin(origin, HOST, ALLOWED)


def test_page_is_refused_where_there_is_no_host() -> None:
    assert not is_allowed_origin("http://", "", ())


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_header_makes_deciding_raise(origin: str, host: str) -> None:
    assert is_allowed_origin(origin, host, ALLOWED) in (True, False)
