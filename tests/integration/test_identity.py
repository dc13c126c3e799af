"""Users' tokens: who posts with one, over every transport, and what is answered to a bad one."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest

from chat.core.comment import Role
from tests.support.api import Answer, Api
from tests.support.room_admin import change_settings, secret_of, sign_token
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer


def sign_in(viewer: Viewer, token: str) -> dict[str, Any]:
    viewer.send("auth", token=token)
    return viewer.wait_for("identity", "reject")


def post(server: ServerProcess, room: str, token: str | None, **body: Any) -> Answer:
    api = Api(server)
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = api.post_body(room, json.dumps({"text": "hi", **body}).encode(), **headers)
    api.close()
    return answer


@pytest.fixture
def bad_tokens(server: ServerProcess, room: str) -> list[tuple[str, int, str]]:
    """Tokens that are not accepted in the room, each with its status and code."""
    claims = {"aud": "danmaku", "sub": "ann", "name": "Ann", "role": "host", "room": room}
    claims["exp"] = int(time.time()) + 60
    secret = secret_of(server)
    deep = b'{"aud":"danmaku","x":' + b"[" * 2_000
    return [
        (jwt.encode(claims, "x" * 64, "HS256"), 401, "bad_token"),
        (jwt.encode(claims, None, "none"), 401, "bad_token"),
        (jwt.encode(claims, secret, "HS512"), 401, "bad_token"),
        (jwt.encode(claims, secret, "HS256", {"kid": "other"}), 401, "bad_token"),
        (jwt.encode({**claims, "sub": "g-0123456789"}, secret, "HS256"), 401, "bad_token"),
        (jwt.encode({**claims, "role": "king"}, secret, "HS256"), 401, "bad_token"),
        (jwt.api_jws.encode(deep, secret, "HS256"), 401, "bad_token"),
        (jwt.encode({**claims, "x": "x" * 4_000}, secret, "HS256"), 401, "bad_token"),
        (jwt.encode({**claims, "exp": int(time.time())}, secret, "HS256"), 401, "token_expired"),
        (sign_token(server, "another-room"), 403, "wrong_room"),
        (jwt.encode({**claims, "name": "\u200b"}, secret, "HS256"), 422, "name_empty"),
    ]


def test_token_makes_the_viewer_its_user_with_its_name_and_role(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room, name="Somebody") as viewer:
        assert viewer.welcome["role"] == "viewer"
        identity = sign_in(viewer, sign_token(server, room, Role.MODERATOR))
        who = {"user": "ann", "name": "Ann", "role": "moderator"}
        assert identity == {"type": "identity", **who}
        viewer.post("hello")
        (entry,) = viewer.take(1)
        assert {name: entry[name] for name in who} == who


@pytest.mark.parametrize("role", list(Role))
def test_comment_over_http_is_the_tokens_users(
    server: ServerProcess, room: str, role: Role
) -> None:
    token = sign_token(server, room, role)
    answer = post(server, room, token, ref="k1")
    assert (answer.status, "session" in answer.json) == (201, False)
    assert post(server, room, token, ref="k1", name="Ann").json["dup"]
    refused = post(server, room, token, name="Anna")
    assert (refused.status, refused.error["code"]) == (403, "not_allowed")
    with Viewer(server, room) as viewer:
        (entry,) = viewer.entries
        assert (entry["user"], entry["name"]) == ("ann", "Ann")
        assert entry.get("role", "viewer") == role
        # A ref is the user's, over every transport.
        sign_in(viewer, token)
        assert viewer.post("hi", ref="k1")["dup"]


def test_token_that_is_not_accepted_leaves_the_viewer_who_it_was(
    server: ServerProcess, room: str, bad_tokens: list[tuple[str, int, str]]
) -> None:
    with Viewer(server, room) as viewer:
        for token, _, code in bad_tokens:
            rejected = sign_in(viewer, token)
            assert (rejected["type"], rejected["code"]) == ("reject", code)
        viewer.post("as a guest")
        sign_in(viewer, sign_token(server, room))
        assert sign_in(viewer, bad_tokens[0][0])["code"] == "bad_token"
        viewer.post("as Ann")
        guest, ann = viewer.take(2)
        assert (guest["user"], guest.get("role")) == (viewer.welcome["user"], None)
        assert (ann["user"], ann["role"]) == ("ann", "host")


def test_post_and_poll_with_a_token_that_is_not_accepted_are_rejected(
    server: ServerProcess, room: str, bad_tokens: list[tuple[str, int, str]]
) -> None:
    api = Api(server)
    for token, status, code in bad_tokens:
        answer = post(server, room, token)
        assert (answer.status, answer.error["code"]) == (status, code)
        answer = api.get(f"/api/rooms/{room}/entries", Authorization=f"Bearer {token}")
        assert (answer.status, answer.error["code"]) == (status, code)
    for token in (sign_token(server, room), sign_token(server, "*")):
        headers = {"Authorization": f"Bearer {token}"}
        assert api.get(f"/api/rooms/{room}/entries", **headers).json["entries"] == []
    api.close()


def test_user_with_a_token_has_the_name_of_the_token_only(server: ServerProcess, room: str) -> None:
    with Viewer(server, room, name="Guest") as viewer:
        sign_in(viewer, sign_token(server, room, Role.VIEWER))
        viewer.send("rename", name="Host")
        assert viewer.wait_for("identity", "reject")["code"] == "not_allowed"
        viewer.post("hi")
        assert viewer.take(1)[0]["name"] == "Ann"


def test_session_after_a_token_makes_the_viewer_that_guest_under_its_chosen_name(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room) as viewer:
        earlier = viewer.welcome
    with Viewer(server, room, name="Owl") as viewer:
        assert sign_in(viewer, sign_token(server, room))["user"] == "ann"
        identity = sign_in(viewer, earlier["session"])
        assert (identity["user"], identity["name"], identity["role"]) == (
            earlier["user"],
            "Owl",
            "viewer",
        )
        viewer.post("hi")
        assert viewer.take(1)[0].get("role") is None


@pytest.mark.parametrize("role", list(Role))
def test_slow_mode_is_for_viewers_only(server: ServerProcess, room: str, role: Role) -> None:
    change_settings(server, room, slow_mode=600)
    token = sign_token(server, room, role)
    with Viewer(server, room) as viewer:
        sign_in(viewer, token)
        assert viewer.post("one")["type"] == "ack"
        assert viewer.post("two")["type"] == ("reject" if role is Role.VIEWER else "ack")


def test_new_secret_signs_and_the_one_before_still_verifies(start_server, room: str) -> None:
    old, new = "an old secret of at least 32 bytes", "a new secret of at least 32 bytes"
    claims = {"aud": "danmaku", "sub": "ann", "name": "Ann", "role": "host", "room": room}
    claims["exp"] = int(time.time()) + 60
    server = start_server("--secret", f"{new},{old}")
    with Viewer(server, room) as viewer:
        for secret in (old, new):
            assert sign_in(viewer, jwt.encode(claims, secret, "HS256"))["user"] == "ann"
        session = viewer.welcome["session"]
        assert jwt.decode(session, new, ["HS256"])["sub"] == viewer.welcome["user"]
