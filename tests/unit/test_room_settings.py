"""A room's settings: which values are valid, and how a patch is applied."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.core import wire
from chat.core.comment import Comment
from chat.core.entry import decode_entry, number_entry
from chat.core.reject import Rejection
from chat.core.requests import decode_body
from chat.core.room_settings import RoomSettings, SettingsChange, SettingsPatch, change

FILM = RoomSettings(title="Film", video_url="https://e.org/a.mp4", delay=4.5, slow_mode=10)


def apply(settings: RoomSettings, **fields: object) -> RoomSettings | Rejection:
    patch = decode_body(json.dumps(fields).encode(), SettingsPatch)
    return patch if isinstance(patch, Rejection) else change(settings, patch)


def as_json(settings: RoomSettings | Rejection) -> dict[str, object]:
    assert isinstance(settings, RoomSettings), settings
    return json.loads(wire.encode(settings))


def detail_of(outcome: RoomSettings | Rejection) -> str:
    assert isinstance(outcome, Rejection), outcome
    assert (outcome.code, outcome.status) == ("bad_field", 400)
    assert "\n" not in outcome.message
    return outcome.message.removeprefix("A field is invalid: ")


def test_untouched_room_has_an_empty_object() -> None:
    assert as_json(RoomSettings()) == {}
    assert as_json(apply(RoomSettings())) == {}


def test_change_names_some_and_leaves_the_others() -> None:
    assert as_json(apply(FILM, delay=7)) == {
        "title": "Film",
        "video_url": "https://e.org/a.mp4",
        "delay": 7,
        "slow_mode": 10,
    }


@pytest.mark.parametrize("name", ["title", "video_url", "delay", "slow_mode"])
@pytest.mark.parametrize("empty", [None, "default"])
def test_null_and_the_default_itself_leave_no_trace(name: str, empty: str | None) -> None:
    value = None if empty is None else getattr(RoomSettings(), name)
    assert as_json(apply(FILM, **{name: value})).keys() == as_json(FILM).keys() - {name}


def test_delay_of_minus_zero_or_0_0_is_none() -> None:
    for raw in (b'{"delay":0.0}', b'{"delay":-0.0}', b'{"delay":0}'):
        patch = decode_body(raw, SettingsPatch)
        assert isinstance(patch, SettingsPatch)
        assert "delay" not in as_json(change(FILM, patch))


def test_title_is_cleaned_like_a_name() -> None:
    assert as_json(apply(RoomSettings(), title=" Fri\nday\x00 \u202efilm  e\u0301 ")) == {
        "title": "Fri day film \u00e9"
    }
    assert as_json(apply(FILM, title=" \u200b ")).keys() == as_json(FILM).keys() - {"title"}
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert as_json(apply(RoomSettings(), title=family))["title"] == family


@pytest.mark.parametrize("title", ["a" * 81, "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 30])
def test_title_too_long_is_rejected_and_never_cut(title: str) -> None:
    assert detail_of(apply(FILM, title=title)).startswith("title is longer than 80 characters")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/film.mp4",
        "HTTP://example.org:8080/live/index.m3u8?token=a%20b&x=1#t=10",
        "http://127.0.0.1:9000/a.webm",
        "http://[::1]:9000/a.webm",
        "https://例え.jp/映画.mp4",
        "https://example.org",
        "https://example.org?v=1",
        "/media/film.mp4",
        "/",
        "  /media/film.mp4 ",
    ],
)
def test_valid_video_url_is_accepted(url: str) -> None:
    assert as_json(apply(RoomSettings(), video_url=url)) == {"video_url": url.strip()}


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\nscript:alert(1)",
        "data:video/mp4;base64,AAAA",
        "blob:https://example.org/1",
        "file:///etc/passwd",
        "ftp://example.org/a.mp4",
        "//example.org/a.mp4",
        "/\\example.org/a.mp4",
        "\\\\example.org\\a.mp4",
        "film.mp4",
        "../film.mp4",
        "https:",
        "https://",
        "https:///film.mp4",
        "https://:8080/a.mp4",
        "https://[",
        "https://example.org:99999/a",
        "https://example.org:port/a",
        "https://example.org/a b.mp4",
        "https://example.org/a\tb.mp4",
        "https://example.org/\x00",
        "https://example.org/\u202eabc",
        "https://exa\u200bmple.org/",
        "https://example.org\\@evil.example/",
    ],
)
def test_other_addresses_are_rejected(url: str) -> None:
    assert detail_of(apply(FILM, video_url=url)).startswith("video_url must be an http or https")


@pytest.mark.parametrize("url", ["https://user:word@example.org/a.mp4", "HTTP://user@example.org"])
def test_url_with_a_password_is_rejected_for_that_reason(url: str) -> None:
    assert "must not contain a user name or password" in detail_of(apply(FILM, video_url=url))


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        (
            {"video_url": "https://e.org/" + "a" * 2000},
            "video_url must be a string of at most 2000 characters, or null",
        ),
        ({"video_url": 7}, "video_url must be a string of at most 2000 characters, or null"),
        (
            {"video_url": {"url": "/"}},
            "video_url must be a string of at most 2000 characters, or null",
        ),
        ({"title": ["Film"]}, "title must be a string, or null"),
        ({"delay": -1}, "delay must be a number from 0 to 600, or null"),
        ({"delay": 600.01}, "delay must be a number from 0 to 600, or null"),
        ({"delay": "5"}, "delay must be a number from 0 to 600, or null"),
        ({"delay": True}, "delay must be a number from 0 to 600, or null"),
        ({"delay": 10**400}, "delay must be a number from 0 to 600, or null"),
        ({"slow_mode": -1}, "slow_mode must be a whole number from 0 to 3600, or null"),
        ({"slow_mode": 3601}, "slow_mode must be a whole number from 0 to 3600, or null"),
        ({"slow_mode": 10**400}, "slow_mode must be a whole number from 0 to 3600, or null"),
        ({"slow_mode": 2.5}, "slow_mode must be a whole number from 0 to 3600, or null"),
        ({"slow_mode": "5"}, "slow_mode must be a whole number from 0 to 3600, or null"),
        ({"colour": "red"}, "colour is not a known field"),
        ({"seq": 1}, "seq is not a known field"),
    ],
)
def test_wrong_field_is_named_with_what_it_must_be(fields: dict[str, object], detail: str) -> None:
    assert detail_of(apply(FILM, **fields)) == detail + "."


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b'{"delay":NaN}', "bad_json"),
        (b'{"delay":Infinity}', "bad_json"),
        (b'{"delay":1e999}', "bad_json"),
        (b'{"title":"\\ud800"}', "bad_json"),
        (b'{"title":"\xff"}', "bad_json"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b"[" * 5000, "bad_json"),
    ],
)
def test_body_that_is_no_change_is_rejected(body: bytes, code: str) -> None:
    outcome = decode_body(body, SettingsPatch)
    assert isinstance(outcome, Rejection)
    assert outcome.code == code


texts = st.none() | st.text() | st.text("/:?#@\\[]htps. \u202e0a")
numbers = st.none() | st.floats() | st.integers()


@given(
    st.binary()
    | st.fixed_dictionaries(
        {}, optional={"title": texts, "video_url": texts, "delay": numbers, "slow_mode": numbers}
    ).map(lambda fields: json.dumps(fields).encode())
)
def test_whatever_is_sent_is_a_rejection_or_settings_within_bounds(body: bytes) -> None:
    patch = decode_body(body, SettingsPatch)
    outcome = patch if isinstance(patch, Rejection) else change(FILM, patch)
    if isinstance(outcome, Rejection):
        return
    assert 0 <= outcome.delay <= 600
    assert 0 <= outcome.slow_mode <= 3600
    assert outcome.video_url == "" or outcome.video_url.lower().startswith(("http", "/"))
    assert json.loads(wire.encode(outcome)).keys() <= as_json(FILM).keys()


def test_entry_has_all_settings_and_is_decoded_by_its_kind() -> None:
    change = SettingsChange(seq=0, settings=RoomSettings(delay=2), at=17)
    body = number_entry(change, 11).body
    assert json.loads(body) == {"kind": "settings", "seq": 11, "settings": {"delay": 2}, "at": 17}
    assert decode_entry(body).entry == SettingsChange(seq=11, settings=RoomSettings(delay=2), at=17)
    comment = Comment(seq=0, user="g-1", name="Owl", text='{"kind":"settings",', at=17)
    assert isinstance(decode_entry(number_entry(comment, 1).body).entry, Comment)
