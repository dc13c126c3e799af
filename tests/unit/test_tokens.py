"""Which tokens are accepted in a room, and as whom."""

from __future__ import annotations

from math import inf
from typing import Any

import jwt
import pytest

from chat.core.comment import Role, clean_name
from chat.core.reject import Rejection
from chat.core.room_state import Author
from chat.environment import Clock
from chat.web.identity.guests import GuestSessions
from chat.web.identity.keys import Keys
from chat.web.identity.tokens import Tokens, Verified

SECRET = b"s" * 32
NOW = 1_800_000_000.0
SESSION: dict[str, Any] = {"iss": "danmaku", "sub": "g-0123456789", "name": "Owl"}
USER: dict[str, Any] = {
    "aud": "danmaku",
    "sub": "ann",
    "name": "Ann",
    "role": "moderator",
    "room": "demo",
    "exp": NOW + 60,
}
PERMIT = {"iss": "danmaku", "aud": "danmaku:room", "room": "demo", "exp": NOW + 60}


def tokens_at(now: float) -> Tokens:
    return Tokens(Keys([SECRET]), Clock(unix_ms=lambda: int(now * 1000)))


def sign(claims: Any) -> str:
    return Keys([SECRET]).sign(claims)


def verify(claims: dict[str, Any], room: str = "demo", now: float = NOW) -> Verified:
    verified = tokens_at(now).verify(sign(claims), room)
    assert isinstance(verified, Verified), verified
    return verified


def refuse(claims: Any, room: str = "demo", now: float = NOW) -> str:
    rejection = tokens_at(now).verify(sign(claims), room)
    assert isinstance(rejection, Rejection), rejection
    return rejection.code


# --- users' tokens --------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_token_gives_its_user_name_and_role_until_it_expires(role: Role) -> None:
    verified = verify(USER | {"role": role.value})
    assert verified == Verified(Author("ann", "Ann", role), NOW + 60)
    assert not verified.author.is_guest


def test_token_that_is_signed_here_is_accepted() -> None:
    author = Author("安 妮", "安妮", Role.HOST)
    token = tokens_at(NOW).sign(author, "demo", 60)
    assert tokens_at(NOW + 59.9).verify(token, "demo") == Verified(author, NOW + 60)


@pytest.mark.parametrize("name", USER)
def test_every_claim_is_required(name: str) -> None:
    assert refuse({key: value for key, value in USER.items() if key != name}) == "bad_token"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, wrong) for name in USER for wrong in (None, 1.5, True, {}, [], "")),
        ("aud", "danmaku2"),
        ("aud", ["danmaku", "other"]),
        ("sub", "g-0123456789"),
        ("sub", "x" * 65),
        ("sub", "a\x00b"),
        ("sub", "a\nb"),
        ("sub", "a\u202eb"),
        ("role", "admin"),
        ("role", "Host"),
        ("exp", "1900000000"),
        ("exp", 1e300),
        ("exp", -1e300),
        ("nbf", "yesterday"),
        ("nbf", NOW + 1),
    ],
)
def test_claim_with_a_wrong_value_is_refused(name: str, value: object) -> None:
    expected = {
        ("exp", 1.5): "token_expired",
        ("room", ""): "wrong_room",
        ("name", ""): "name_empty",
    }.get((name, value) if isinstance(value, str | float) else ("", ""), "bad_token")
    assert refuse(USER | {name: value}) == expected


def test_token_expires_at_its_time_without_leeway() -> None:
    assert verify(USER, now=NOW + 59.999)
    assert refuse(USER, now=NOW + 60) == "token_expired"
    assert verify(USER | {"nbf": NOW})
    assert refuse(USER | {"nbf": NOW}, now=NOW - 0.001) == "bad_token"


def test_token_is_for_its_room_or_for_all() -> None:
    assert refuse(USER, room="other") == "wrong_room"
    for room in ("demo", "other"):
        assert verify(USER | {"room": "*"}, room=room).author.role is Role.MODERATOR


def test_audience_may_be_a_list_and_further_claims_are_ignored() -> None:
    assert verify(USER | {"aud": ["danmaku"], "iss": "https://example.org", "iat": NOW, "x": {}})


@pytest.mark.parametrize(
    ("name", "code"), [("\u200b", "name_empty"), ("x" * 25, "name_too_long"), (" Ann\n", None)]
)
def test_name_of_a_token_is_cleaned_and_never_changed_silently(name: str, code: str | None) -> None:
    if code is None:
        assert verify(USER | {"name": name}).author.name == "Ann"
    else:
        assert refuse(USER | {"name": name}) == code


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"1", b"\xff", b"[" * 2_000, b'{"aud":'])
def test_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    token = jwt.api_jws.encode(payload, SECRET, "HS256")
    rejection = tokens_at(NOW).verify(token, "demo")
    assert isinstance(rejection, Rejection)
    assert rejection.code == "bad_token"


def test_two_thousand_levels_of_json_are_refused() -> None:
    deep = b'{"aud":"danmaku","x":' + b"[" * 1_400 + b"]" * 1_400 + b"}"
    for payload in (deep, deep[:1_300], b"[" * 2_000):
        token = jwt.api_jws.encode(payload, SECRET, "HS256")
        rejection = tokens_at(NOW).verify(token, "demo")
        assert isinstance(rejection, Rejection)
        assert rejection.code == "bad_token"


# --- who may do what ------------------------------------------------------------------------------


def authorize(token: str | None, *roles: Role, room: str = "demo") -> Author | str:
    answer = tokens_at(NOW).authorize(token, room, *roles)
    return answer.code if isinstance(answer, Rejection) else answer


def test_only_the_given_roles_are_authorized() -> None:
    assert authorize(None, Role.HOST) == "token_needed"
    assert authorize("", Role.HOST) == "token_needed"
    assert authorize("x", Role.HOST) == "bad_token"
    assert authorize(sign(SESSION), Role.HOST) == "not_allowed"
    assert authorize(sign(USER), Role.HOST) == "not_allowed"
    assert authorize(sign(USER), Role.HOST, room="other") == "wrong_room"
    found = authorize(sign(USER), Role.MODERATOR, Role.HOST)
    assert isinstance(found, Author)
    assert found.user == "ann"


def test_room_permit_counts_as_a_hosts_token_of_its_room_and_signs_nobody_in() -> None:
    author = authorize(sign(PERMIT), Role.HOST)
    assert isinstance(author, Author)
    assert author.role is Role.HOST
    assert authorize(sign(PERMIT), Role.HOST, room="other") == "wrong_room"
    assert authorize(sign(PERMIT | {"exp": NOW}), Role.HOST) == "token_expired"
    assert authorize(sign(PERMIT), Role.MODERATOR) == "bad_token"
    assert refuse(PERMIT) == "bad_token"


# --- guests' sessions -----------------------------------------------------------------------------


def test_session_never_expires_and_is_valid_in_every_room() -> None:
    guest = GuestSessions(Keys([SECRET])).create_guest("Owl")
    assert isinstance(guest, Author)
    session = GuestSessions(Keys([SECRET])).sign(guest)
    verified = tokens_at(1e12).verify(session, "any")
    assert isinstance(verified, Verified)
    assert (verified.author.user, verified.author.name) == (guest.user, "Owl")
    assert verified.author.is_guest
    assert verified.expires_at == inf


@pytest.mark.parametrize(
    "user",
    ["", "g-", "ann", "g-" + "x" * 63, "g- b", "g-\x00", "g-\n", "g-\u202e", 1, ["g-1"], None],
)
def test_session_of_a_user_id_that_cannot_be_a_guests_is_refused(user: object) -> None:
    assert refuse(SESSION | {"sub": user}) == "bad_token"


@pytest.mark.parametrize("issuer", ["", "somebody", None, ["danmaku"]])
def test_session_of_another_issuer_is_refused(issuer: object) -> None:
    assert refuse(SESSION | {"iss": issuer}) == "bad_token"


@pytest.mark.parametrize("name", ["", "\u2800", "\u200b", "x" * 2_000, "W" * 25])
def test_session_with_a_name_that_is_not_valid_now_keeps_the_user_under_another(name: str) -> None:
    author = verify(SESSION | {"name": name}).author
    assert author.user == SESSION["sub"]
    assert clean_name(author.name) == author.name


@pytest.mark.parametrize("name", ["O\u202ewl", "Owl\x00", "Owl\ufffe", " Owl\n"])
def test_name_of_a_session_is_cleaned_like_any_other(name: str) -> None:
    assert verify(SESSION | {"name": name}).author.name == "Owl"


def test_session_with_a_lone_surrogate_is_refused() -> None:
    token = jwt.api_jws.encode(b'{"iss":"danmaku","sub":"g-1","name":"\\ud800"}', SECRET, "HS256")
    assert isinstance(tokens_at(NOW).verify(token, "demo"), Rejection)
