"""Query parameters: unknown ones are named, empty ones are absent, and no query raises."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.core.query import read_query
from chat.core.reject import Rejection

KNOWN = ("after", "wait")


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("", {}),
        ("&", {}),
        ("after=", {}),
        ("after", {}),
        ("after=a&wait=1", {"after": "a", "wait": "1"}),
        ("after=a&after=b", {"after": "b"}),
        ("after=a&after=", {}),
        ("after=%E5%B0%8F+x", {"after": "小 x"}),
    ],
)
def test_query_is_read(raw: str, read: dict[str, str]) -> None:
    assert read_query(raw, KNOWN) == read


@pytest.mark.parametrize(
    ("raw", "code", "named"),
    [
        ("afer=a", "bad_parameter", "afer "),
        ("After=a", "bad_parameter", "After "),
        ("after=a&x", "bad_parameter", " x "),
        ("%0A%1B=", "bad_parameter", r"\n\x1b "),
        ("=a", "bad_parameter", "a name"),
        ("a" * 9000 + "=1", "bad_parameter", "a" * 64),
        ("%FF=1", "bad_request", ""),
        ("after=%ED%A0%80", "bad_request", ""),
        ("&".join(["after=1"] * 21), "bad_request", ""),
    ],
)
def test_query_is_rejected(raw: str, code: str, named: str) -> None:
    rejection = read_query(raw, KNOWN)
    assert isinstance(rejection, Rejection)
    assert rejection.code == code
    assert named in rejection.message
    assert len(rejection.message) < 200


@given(st.one_of(st.text(), st.text(alphabet="%=&+;afterwi0F\x00é")))
def test_no_query_makes_reading_raise(raw: str) -> None:
    assert isinstance(read_query(raw, KNOWN), dict | Rejection)


@given(st.dictionaries(st.sampled_from(KNOWN), st.text(st.characters(exclude_categories=["Cs"]))))
def test_what_was_written_is_read(values: dict[str, str]) -> None:
    written = {name: value for name, value in values.items() if value}
    assert read_query(urlencode(values), KNOWN) == written
