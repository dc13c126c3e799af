"""Which sessions are accepted, and as whom."""

from __future__ import annotations

from typing import Any

import jwt
import pytest

from chat.core.comment import clean_name
from chat.core.reject import Rejection
from chat.core.room_state import Author
from chat.web.identity.guests import GuestSessions

SECRET = b"s" * 32
CLAIMS: dict[str, Any] = {"iss": "danmaku", "sub": "g-0123456789", "name": "Owl"}


def verify(**claims: Any) -> Author | Rejection:
    return GuestSessions(SECRET).verify(jwt.encode(CLAIMS | claims, SECRET, "HS256"))


@pytest.mark.parametrize(
    "user",
    ["", "x" * 65, "x" * 10_000, "a b", "a\x00b", "a\nb", "g-\u202e", "\ud800", 1, ["g"], None],
)
def test_session_of_a_user_id_that_cannot_be_ours_is_refused(user: object) -> None:
    rejection = verify(sub=user)
    assert isinstance(rejection, Rejection)
    assert rejection.code == "bad_token"


@pytest.mark.parametrize("name", ["", "\u2800", "\u200b", "x" * 10_000, "W" * 25, "\ud800"])
def test_session_with_a_name_that_is_not_valid_now_keeps_the_user_under_another(name: str) -> None:
    author = verify(name=name)
    assert isinstance(author, Author)
    assert author.user == CLAIMS["sub"]
    assert clean_name(author.name) == author.name


@pytest.mark.parametrize("name", ["O\u202ewl", "Owl\x00", "Owl\ufffe", " Owl\n"])
def test_name_of_a_session_is_cleaned_like_any_other(name: str) -> None:
    author = verify(name=name)
    assert isinstance(author, Author)
    assert author.name == "Owl"
