"""A room's settings over HTTP, as viewers see them change."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest

from chat.core.comment import Role
from tests.support.api import Answer, Api, state_of
from tests.support.room_admin import change_settings, secret_of, sign_token
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]
FILM = "https://example.org/film.mp4"


def patch(
    server: ServerProcess, room: str, body: bytes | dict[str, Any], token: str | None
) -> Answer:
    api = Api(server)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = api.call("PATCH", f"/api/rooms/{room}/settings", data, **headers)
    api.close()
    return answer


# --- what a change does ---------------------------------------------------------------------------


def test_change_is_an_entry_for_viewers_and_in_later_welcomes(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room) as early:
        assert early.welcome["settings"] == {}
        early.post("before")
        changed = change_settings(server, room, title="Friday", video_url=FILM, delay=4.5)
        settings = {"title": "Friday", "video_url": FILM, "delay": 4.5}
        assert changed == {"epoch": early.welcome["epoch"], "seq": 2, "settings": settings}
        _, entry = early.take(2)
        assert entry.pop("at") > 1_700_000_000_000
        assert entry == {"kind": "settings", "seq": 2, "settings": settings}
        change_settings(server, room, video_url=None, slow_mode=7)
        (entry,) = early.take(1)
        settings = {"title": "Friday", "delay": 4.5, "slow_mode": 7}
        assert (entry["seq"], entry["settings"]) == (3, settings)
    with Viewer(server, room) as late:
        assert late.welcome["settings"] == settings
        assert [entry["kind"] for entry in late.entries] == ["comment", "settings", "settings"]
    assert state_of(server, room)["settings"] == settings


def test_patch_that_changes_nothing_is_no_entry(server: ServerProcess, room: str) -> None:
    empty = change_settings(server, room)
    assert (empty["seq"], empty["settings"]) == (0, {})
    assert change_settings(server, room, title="", delay=0, video_url=None)["seq"] == 0
    changed = change_settings(server, room, title="Friday", delay=4)
    with Viewer(server, room) as viewer:
        for patch in ({}, {"title": "Friday"}, {"title": " Friday ", "delay": 4.0}):
            assert change_settings(server, room, **patch) == changed
        viewer.post("next")
        assert [entry["seq"] for entry in viewer.take(2)] == [1, 2]


def test_change_is_delivered_at_resume_and_over_every_transport(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room) as viewer:
        viewer.post("before")
        viewer.take(1)
        cursor = viewer.cursor
    change_settings(server, room, title="while away")
    with Viewer(server, room, cursor=cursor) as back:
        assert back.welcome["recovered"]
        (entry,) = back.take(1)
        assert entry["settings"] == {"title": "while away"}
    api = Api(server)
    assert api.entries(room, after=cursor).json["entries"] == [entry]
    assert api.entries(room, after=cursor, wait=5).json["entries"] == [entry]
    api.close()


def test_lobby_lists_the_title(server: ServerProcess, room: str) -> None:
    change_settings(server, room, title="Friday film")
    api = Api(server)
    (card,) = [card for card in api.get("/api/rooms").json["rooms"] if card["room"] == room]
    assert card["title"] == "Friday film"
    api.close()


def test_settings_survive_restart_closing_and_trimming(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--keep-days", "1")
    epoch = change_settings(server, room, title="Friday", video_url=FILM)["epoch"]
    assert server.stop() == 0
    with contextlib.closing(sqlite3.connect(server.database, isolation_level=None)) as database:
        database.execute("UPDATE entries SET at = 1")  # so old that the server forgets it
        server.start()
        ends = time.monotonic() + 20
        while database.execute("SELECT count(*) FROM entries").fetchone() != (0,):
            assert time.monotonic() < ends
            time.sleep(0.05)
    api = Api(server)
    page = api.entries(room, after=f"{epoch}:0").json
    assert (page["recovered"], page["reason"], page["entries"]) == (False, "trimmed", [])
    api.close()
    assert state_of(server, room)["settings"] == {"title": "Friday", "video_url": FILM}
    server.kill()
    server.start()
    with Viewer(server, room) as viewer:
        assert viewer.welcome["settings"] == {"title": "Friday", "video_url": FILM}


def test_concurrent_changes_are_all_applied(server: ServerProcess, room: str) -> None:
    fields = [{"title": "Friday"}, {"video_url": FILM}, {"delay": 3}, {"slow_mode": 5}]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda field: change_settings(server, room, **field), fields))
    assert sorted(answer["seq"] for answer in answers) == [1, 2, 3, 4]
    whole = {name: value for field in fields for name, value in field.items()}
    assert state_of(server, room)["settings"] == whole
    assert max(answers, key=lambda answer: answer["seq"])["settings"] == whole


# --- who may --------------------------------------------------------------------------------------


def sign(server: ServerProcess, **claims: Any) -> str:
    return jwt.encode(claims, secret_of(server), "HS256")


def test_changing_settings_needs_a_hosts_token_of_the_room(
    server: ServerProcess, room: str
) -> None:
    good = {"aud": "danmaku", "sub": "ann", "name": "Ann", "role": "host", "room": room}
    good["exp"] = int(time.time()) + 60
    with Viewer(server, room) as viewer:
        session = viewer.welcome["session"]
    for token, status, code in (
        (None, 401, "token_needed"),
        ("", 401, "token_needed"),
        ("x", 401, "bad_token"),
        ("\u00e9", 401, "bad_token"),
        (jwt.encode(good, "x" * 64, "HS256"), 401, "bad_token"),
        (jwt.encode(good, None, "none"), 401, "bad_token"),
        (sign(server, **{**good, "exp": int(time.time())}), 401, "token_expired"),
        (sign(server, **{**good, "room": "another-room"}), 403, "wrong_room"),
        (session, 403, "not_allowed"),
        *(
            (sign_token(server, room, role), 403, "not_allowed")
            for role in (Role.VIEWER, Role.MODERATOR, Role.BOT)
        ),
    ):
        answer = patch(server, room, {"title": "stolen"}, token)
        assert (answer.status, answer.error["code"]) == (status, code), token
        assert answer.headers["WWW-Authenticate"] == ("Bearer" if status == 401 else None)
    assert state_of(server, room)["settings"] == {}
    assert patch(server, room, {"title": "mine"}, sign(server, **good)).status == 200
    everywhere = sign(server, **{**good, "room": "*"})
    assert patch(server, room, {"title": "ours"}, everywhere).status == 200


def test_room_permit_of_earlier_versions_changes_settings_and_signs_nobody_in(
    server: ServerProcess, room: str
) -> None:
    claims = {"iss": "danmaku", "aud": "danmaku:room", "room": room, "exp": int(time.time()) + 60}
    permit = sign(server, **claims)
    assert patch(server, room, {"title": "mine"}, permit).status == 200
    for changed, status, code in (
        ({"exp": int(time.time())}, 401, "token_expired"),
        ({"room": "another-room"}, 403, "wrong_room"),
        ({"room": [room]}, 401, "bad_token"),
        ({"exp": "tomorrow"}, 401, "bad_token"),
        ({"aud": "somebody"}, 401, "bad_token"),
    ):
        answer = patch(server, room, {"title": "stolen"}, sign(server, **claims | changed))
        assert (answer.status, answer.error["code"]) == (status, code)
    api = Api(server)
    answer = api.post_body(room, b'{"text":"hi"}', Authorization=f"Bearer {permit}")
    assert (answer.status, answer.error["code"]) == (401, "bad_token")
    api.close()
    with Viewer(server, room) as viewer:
        viewer.send("auth", token=permit)
        assert viewer.wait_for("identity", "reject")["code"] == "bad_token"


def test_page_of_another_site_may_not_change_settings(server: ServerProcess, room: str) -> None:
    api = Api(server)
    answer = api.call(
        "PATCH",
        f"/api/rooms/{room}/settings",
        b"{}",
        Origin="https://evil.example",
        Authorization=f"Bearer {sign_token(server, room)}",
    )
    assert (answer.status, answer.error["code"]) == (403, "forbidden_origin")
    api.close()


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_json"),
        (b'{"delay":NaN}', 400, "bad_json"),
        (b'{"delay":-Infinity}', 400, "bad_json"),
        (b'{"title":"\\ud800"}', 400, "bad_json"),
        (b"[" * 4000, 400, "bad_json"),
        (b"[]", 400, "not_an_object"),
        (b'"title"', 400, "not_an_object"),
        (b'{"colour":"red"}', 400, "bad_field"),
        (b'{"settings":{}}', 400, "bad_field"),
        (b'{"delay":1e12}', 400, "bad_field"),
        (b'{"delay":"5"}', 400, "bad_field"),
        (b'{"slow_mode":1e3}', 400, "bad_field"),
        (b'{"slow_mode":-5}', 400, "bad_field"),
        (b'{"who_may_post":"nobody"}', 400, "bad_field"),
        (b'{"links":true}', 400, "bad_field"),
        (b'{"max_length":0}', 400, "bad_field"),
        (b'{"max_length":101}', 400, "bad_field"),
        (b'{"unique_seconds":3601}', 400, "bad_field"),
        (b'{"title":{"a":1}}', 400, "bad_field"),
        (b'{"video_url":"javascript:alert(1)"}', 400, "bad_field"),
        (b'{"video_url":"data:video/mp4;base64,AA"}', 400, "bad_field"),
        (b'{"video_url":"//example.org/a.mp4"}', 400, "bad_field"),
        (b'{"video_url":"https://e.org/a\\u0000b"}', 400, "bad_field"),
        (b'{"title":"' + b"a" * 81 + b'"}', 400, "bad_field"),
        (b'{"title":"' + b"a" * 9000 + b'"}', 413, "too_large"),
    ],
)
def test_invalid_settings_are_rejected_with_a_sentence_and_change_nothing(
    server: ServerProcess, room: str, body: bytes, status: int, code: str
) -> None:
    change_settings(server, room, delay=3)
    answer = patch(server, room, body, sign_token(server, room))
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.error["message"].endswith(".")
    state = state_of(server, room)
    assert (state["seq"], state["settings"]) == (1, {"delay": 3})


def test_invalid_or_closed_room_is_rejected(
    server: ServerProcess, start_server: StartServer
) -> None:
    assert patch(server, "No%20room", {}, sign_token(server, "*")).error["code"] == "bad_room"
    chosen = start_server("--rooms", "demo")
    answer = patch(chosen, "other", {"delay": 1}, sign_token(chosen, "other"))
    assert (answer.status, answer.error["code"]) == (404, "no_such_room")


# --- slow mode ------------------------------------------------------------------------------------


def test_slow_mode_applies_over_every_transport_and_changes_at_once(
    server: ServerProcess, room: str
) -> None:
    change_settings(server, room, slow_mode=600)
    with Viewer(server, room) as viewer:
        assert viewer.post("one", ref="k1")["type"] == "ack"
        refused = viewer.post("two", ref="k2")
        assert (refused["type"], refused["ref"], refused["code"]) == ("reject", "k2", "slow_mode")
        assert 590 < refused["retry_after"] <= 600
        again = viewer.post("one", ref="k1")
        assert (again["type"], again["dup"]) == ("ack", True)
        session = viewer.welcome["session"]
        api = Api(server)
        answer = api.post_body(room, b'{"text":"hi"}', Authorization=f"Bearer {session}")
        assert (answer.status, answer.error["code"]) == (429, "slow_mode")
        assert 590 < int(answer.headers["Retry-After"]) <= 600
        assert api.post(room, "as somebody else").status == 201
        answer = api.post(room, "and from the same address")
        assert (answer.status, answer.error["code"]) == (429, "slow_mode")
        api.close()
        change_settings(server, room, slow_mode=0)
        assert viewer.post("two", ref="k2")["type"] == "ack"
        assert viewer.post("three")["type"] == "ack"


def test_retry_after_a_restart_is_a_duplicate_in_slow_mode_too(
    start_server: StartServer, room: str
) -> None:
    server = start_server()
    change_settings(server, room, slow_mode=600)
    with Viewer(server, room) as viewer:
        assert viewer.post("one", ref="k1")["seq"] == 2
        session = viewer.welcome["session"]
    server.restart()
    with Viewer(server, room) as viewer:
        viewer.send("auth", token=session)
        again = viewer.post("one", ref="k1")
        assert (again["seq"], again["dup"]) == (2, True)
        assert viewer.post("two", ref="k2")["code"] == "slow_mode"


# --- other rules ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "text", "code", "status"),
    [
        ({"who_may_post": "moderators"}, "hi", "frozen", 403),
        ({"who_may_post": "signed_in"}, "hi", "sign_in_needed", 403),
        ({"links": "reject"}, "see example.com", "links", 422),
        ({"max_length": 3}, "four", "text_too_long", 422),
        ({"unique_seconds": 600}, "ｓａｍｅ", "repeated", 422),
    ],
)
def test_rule_applies_over_every_transport_and_ends_at_once(
    server: ServerProcess, room: str, rule: dict[str, Any], text: str, code: str, status: int
) -> None:
    change_settings(server, room, **rule)
    host = sign_token(server, room, Role.HOST)
    with Viewer(server, room) as viewer, contextlib.closing(Api(server)) as api:
        if code == "repeated":
            assert viewer.post("same")["type"] == "ack"
        refused = viewer.post(text, ref="k1")
        assert (refused["type"], refused["ref"], refused["code"]) == ("reject", "k1", code)
        answer = api.post(room, text)
        assert (answer.status, answer.error["code"]) == (status, code)
        body = json.dumps({"text": text}).encode()
        assert api.post_body(room, body, Authorization=f"Bearer {host}").status == 201
        change_settings(server, room, **dict.fromkeys(rule))
        assert viewer.post(text, ref="k1")["type"] == "ack"
