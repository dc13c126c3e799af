"""What moderators do over HTTP, and what viewers and other moderators see of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from chat.core.comment import Role
from tests.support.api import Api, state_of
from tests.support.moderator import Moderator
from tests.support.room_admin import change_settings, sign_token
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]

ENDPOINTS: list[tuple[str, str, Any]] = [
    ("DELETE", "comments/1", None),
    ("POST", "clear", {}),
    ("GET", "log", None),
    ("GET", "users/g-1", None),
    ("GET", "held", None),
    ("POST", "held/1", {"approve": True}),
    ("GET", "reports", None),
    ("DELETE", "reports/1", None),
    ("GET", "sanctions", None),
    ("POST", "sanctions", {"user": "g-1", "kind": "mute"}),
    ("DELETE", "sanctions/1", None),
]
endpoints = pytest.mark.parametrize(("method", "path", "body"), ENDPOINTS)


@pytest.fixture
def moderator(server: ServerProcess, room: str) -> Iterator[Moderator]:
    with closing(Moderator(server, room)) as one:
        yield one


def sign_in(viewer: Viewer, token: str) -> None:
    viewer.send("auth", token=token)
    assert viewer.wait_for("identity")["user"]


# --- who may --------------------------------------------------------------------------------------


@endpoints
@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        (None, 401, "token_needed"),
        ("forged", 401, "bad_token"),
        ("expired", 401, "token_expired"),
        ("other room", 403, "wrong_room"),
        ("viewer", 403, "not_allowed"),
        ("bot", 403, "not_allowed"),
        ("session", 403, "not_allowed"),
    ],
)
def test_endpoint_is_for_moderators_of_the_room(
    server: ServerProcess, room: str, method: str, path: str, body: Any,
    token: str | None, status: int, code: str,
) -> None:  # fmt: skip
    with Viewer(server, room) as viewer, closing(Api(server)) as api:
        viewer.post("a comment")
        tokens = {
            "forged": sign_token(server, room, Role.MODERATOR)[:-4] + "AAAA",
            "expired": sign_token(server, room, Role.MODERATOR, seconds=-1),
            "other room": sign_token(server, "elsewhere", Role.HOST),
            "viewer": sign_token(server, room, Role.VIEWER),
            "bot": sign_token(server, room, Role.BOT),
            "session": viewer.welcome["session"],
        }
        headers = {} if token is None else {"Authorization": f"Bearer {tokens[token]}"}
        data = None if body is None else json.dumps(body).encode()
        answer = api.call(method, f"/api/rooms/{room}/{path}", data, **headers)
        assert (answer.status, answer.error["code"]) == (status, code)
        assert state_of(server, room)["seq"] == 1


@endpoints
def test_page_of_another_site_may_not_moderate(
    moderator: Moderator, method: str, path: str, body: Any
) -> None:
    answer = moderator.call(method, path, body, Origin="https://evil.example")
    assert (answer.status, answer.error["code"]) == (403, "forbidden_origin")


@endpoints
def test_room_that_does_not_exist_is_not_made(
    server: ServerProcess, room: str, method: str, path: str, body: Any
) -> None:
    with closing(Moderator(server, "*")) as one:
        one._room = f"/api/rooms/{room}"
        answer = one.call(method, path, body)
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert state_of(server, room)["epoch"] == "0"


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("DELETE", "comments/1", {"reason": "x" * 201}, "bad_field"),
        ("DELETE", "comments/1", {"why": "spam"}, "bad_field"),
        ("DELETE", "comments/1", [], "not_an_object"),
        ("POST", "clear", {"user": ""}, "bad_field"),
        ("POST", "clear", {"user": 7}, "bad_field"),
        ("POST", "clear", {"user": "x" * 65}, "bad_field"),
        ("POST", "sanctions", {"kind": "mute"}, "missing_field"),
        ("POST", "sanctions", {"user": "g-1", "kind": "kick"}, "bad_field"),
        ("POST", "sanctions", {"user": "", "kind": "ban"}, "bad_field"),
        ("POST", "sanctions", {"user": "g-1", "kind": "ban", "minutes": 0}, "bad_field"),
        ("POST", "sanctions", {"user": "g-1", "kind": "ban", "minutes": 1.5}, "bad_field"),
        ("POST", "sanctions", {"user": "g-1", "kind": "ban", "minutes": 10**9}, "bad_field"),
        ("POST", "sanctions", {"user": "g-1", "kind": "ban", "hours": 1}, "bad_field"),
        ("GET", "log?after=x", None, "bad_parameter"),
        ("GET", "log?limit=0", None, "bad_parameter"),
        ("GET", "log?limit=1001", None, "bad_parameter"),
        ("GET", "log?before=1", None, "bad_parameter"),
        ("GET", "log?format=xml", None, "bad_parameter"),
    ],
)
def test_wrong_field_is_named_and_nothing_is_done(
    server: ServerProcess, room: str, moderator: Moderator,
    method: str, path: str, body: Any, code: str,
) -> None:  # fmt: skip
    with Viewer(server, room) as viewer:
        viewer.post("a comment")
        answer = moderator.call(method, path, body)
        assert (answer.status, answer.error["code"]) == (400, code)
        assert state_of(server, room)["seq"] == 1
        assert moderator.read_log() == []


@pytest.mark.parametrize("seq", ["0", "2", "3", "99", "-1", "1.0", "x", "9" * 30, "%D9%A1"])
def test_what_is_no_comment_cannot_be_retracted(
    server: ServerProcess, room: str, moderator: Moderator, seq: str
) -> None:
    with Viewer(server, room) as viewer:
        viewer.post("a comment")
        change_settings(server, room, title="Film")
        answer = moderator.call("DELETE", f"comments/{seq}")
        assert (answer.status, answer.error["code"]) == (404, "not_found")


# --- what it does ---------------------------------------------------------------------------------


def test_retracted_comment_is_gone_for_everybody_and_stays_gone(
    server: ServerProcess, room: str, moderator: Moderator
) -> None:
    with Viewer(server, room) as viewer:
        for text in ("one", "secret", "three"):
            viewer.post(text)
        viewer.take(3)
        answer = moderator.retract(2, reason=" spam ")
        assert (answer.status, answer.json["seq"]) == (200, 4)
        (entry,) = viewer.take(1)
        assert (entry["kind"], entry["seq"], entry["target"]) == ("retract", 4, 2)
        assert moderator.retract(2).json == answer.json
        assert state_of(server, room)["seq"] == 4
    with Viewer(server, room) as later, closing(Api(server)) as api:
        assert later.welcome["entries"][1] == {"kind": "retracted", "seq": 2}
        for path in (f"/api/rooms/{room}/entries", "/api/rooms"):
            assert b"secret" not in api.get(path).body


def test_clear_of_a_user_leaves_the_others(
    server: ServerProcess, room: str, moderator: Moderator
) -> None:
    with Viewer(server, room) as owl, Viewer(server, room) as fox:
        owl.post("owl 1")
        fox.post("fox 1")
        owl.post("owl 2")
        user = owl.welcome["user"]
        assert moderator.clear(user=user).json["seq"] == 4
        owl.post("owl 3")
        entries = fox.take(5)
        removal = entries[3]
        assert (removal["kind"], removal["user"], removal["before"]) == ("clear_user", user, 3)
    with Viewer(server, room) as later:
        texts = [entry.get("text") for entry in later.welcome["entries"]]
        assert texts == [None, "fox 1", None, None, "owl 3"]


def test_clear_removes_what_is_there_and_no_later_comment(
    server: ServerProcess, room: str, moderator: Moderator
) -> None:
    with Viewer(server, room) as viewer:
        viewer.post("before")
        # A comment that is removed before it is sent is sent as its placeholder.
        assert [entry["kind"] for entry in viewer.take(1)] == ["comment"]
        assert moderator.clear().json["seq"] == 2
        viewer.post("after")
        assert [entry["kind"] for entry in viewer.take(2)] == ["clear", "comment"]
    with Viewer(server, room) as later:
        kinds = [entry["kind"] for entry in later.welcome["entries"]]
        assert kinds == ["retracted", "clear", "comment"]


def test_moderators_who_act_on_one_comment_at_once_get_the_same_answer(
    server: ServerProcess, room: str
) -> None:
    names = [f"mod-{number}" for number in range(8)]
    with Viewer(server, room) as viewer, ThreadPoolExecutor(len(names)) as threads:
        viewer.post("spam")
        moderators = [Moderator(server, room, name=name, user=name) for name in names]
        answers = list(threads.map(lambda one: one.retract(1), moderators))
        assert {(answer.status, answer.body) for answer in answers} == {(200, answers[0].body)}
        assert [act["kind"] for act in moderators[0].read_log()] == ["retract"]
        for one in moderators:
            one.close()


# --- users ----------------------------------------------------------------------------------------


def test_card_of_a_user_has_the_name_the_first_and_the_last_comments(
    server: ServerProcess, room: str, moderator: Moderator
) -> None:
    with Viewer(server, room, name="Owl") as owl, Viewer(server, room) as fox:
        for number in range(1, 23):
            owl.post(f"owl {number}")
        fox.post("fox")
        entries = fox.take(23)
        moderator.retract(22)
        user = owl.welcome["user"]
        card = moderator.call("GET", f"users/{user}").json
    comments = card.pop("comments")
    assert comments == [*entries[2:21], {"kind": "retracted", "seq": 22}]
    assert card == {
        "user": user, "name": "Owl", "first_seen": entries[0]["at"], "sanctions": [], "reports": 0,
    }  # fmt: skip
    assert moderator.call("GET", "users/g-nobody").error["code"] == "not_found"


# --- the log --------------------------------------------------------------------------------------


def test_log_has_who_what_whom_when_and_why_also_after_a_restart(
    start_server: StartServer, room: str
) -> None:
    server = start_server()
    began = time.time() * 1000
    with Viewer(server, room, name="Owl") as viewer:
        viewer.post("secret")
        user = viewer.welcome["user"]
        with closing(Moderator(server, room)) as mia:
            mia.retract(1, reason="spam")
            mia.clear(user=user)
            change_settings(server, room, title="Film")
            before = mia.read_log()
    server.restart()
    with closing(Moderator(server, room)) as mia:
        log = mia.read_log()
        assert log == before
        assert [entry.pop("id") for entry in log] == [1, 2, 3]
        assert all(began - 1 <= entry.pop("at") <= time.time() * 1000 for entry in log)
        by = {"by": "mia", "by_name": "Mia"}
        assert log == [
            {"kind": "retract", **by, "reason": "spam", "seq": 1, "user": user, "name": "Owl"},
            {"kind": "clear", **by, "user": user, "before": 2},
            {
                "kind": "settings", "by": "ann", "by_name": "Ann",
                "before": {}, "settings": {"title": "Film"},
            },
        ]  # fmt: skip
        assert [entry["id"] for entry in mia.read_log(after=1)] == [2, 3]
        assert [entry["id"] for entry in mia.read_log(after=1, limit=1)] == [2]
        assert [entry["id"] for entry in mia.read_log(limit=1)] == [3]
        assert mia.read_log(after=3) == []
        lines = mia.call("GET", "log", Accept="application/x-ndjson")
        assert lines.headers.get_content_type() == "application/x-ndjson"
        assert [json.loads(line)["id"] for line in lines.body.splitlines()] == [1, 2, 3]
        assert mia.call("GET", "log?format=jsonl").body == lines.body
        # A retraction is repeated, not done again.
        assert mia.retract(1).json["seq"] == 2


def test_moderators_get_acts_live_and_nobody_else_does(
    server: ServerProcess, room: str, moderator: Moderator
) -> None:
    with Viewer(server, room) as staff, Viewer(server, room) as viewer, Viewer(server, room) as bot:
        sign_in(staff, sign_token(server, room, Role.MODERATOR, "Max", "max"))
        sign_in(bot, sign_token(server, room, Role.BOT, "Bot", "bot"))
        viewer.post("spam")
        moderator.retract(1)
        message = staff.wait_for("staff")
        assert (message["first"], message["last"]) == (1, 1)
        assert message["entries"] == moderator.read_log()
        for other in (viewer, bot):
            other.send("ping")
            other.wait_for("pong")
            assert all(one["type"] != "staff" for one in other.messages)
        # Who signs out, here by becoming another user, gets no more.
        sign_in(staff, sign_token(server, room, Role.VIEWER, "Max", "max"))
        moderator.clear()
        staff.send("ping")
        staff.wait_for("pong")
        assert sum(one["type"] == "staff" for one in staff.messages) == 1
