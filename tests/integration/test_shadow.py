"""Shadowed comments: as usual for their authors; nobody else but moderators reads them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from chat.core.comment import Role
from tests.support.api import Api
from tests.support.moderator import Moderator
from tests.support.room_admin import sign_token
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def host(server: ServerProcess, room: str) -> Iterator[Moderator]:
    with closing(Moderator(server, room, Role.HOST, "Ann", "ann")) as one:
        yield one


def shadow(moderator: Moderator, user: str) -> int:
    made = moderator.call("POST", "sanctions", {"user": user, "kind": "shadow"})
    assert made.status == 201
    number: int = made.json["id"]
    return number


def sign_in(viewer: Viewer, token: str) -> None:
    viewer.send("auth", token=token)
    viewer.wait_for("identity")


def read(server: ServerProcess, room: str, token: str = "", after: str = "") -> list[Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with closing(Api(server)) as api:
        path = f"/api/rooms/{room}/entries?limit=300&after={after}"
        entries: list[Any] = api.get(path, **headers).json["entries"]
        return entries


def test_only_the_author_and_moderators_get_a_shadowed_comment(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    with (
        Viewer(server, room) as owl,
        Viewer(server, room) as tab,
        Viewer(server, room) as fox,
        Viewer(server, room) as mia,
    ):
        session = owl.welcome["session"]
        sign_in(tab, session)
        sign_in(mia, sign_token(server, room, Role.MODERATOR))
        owl.post("before")
        shadow(host, owl.welcome["user"])
        ack = owl.post("hidden", ref="r")
        assert (ack["type"], ack["seq"]) == ("ack", 2)
        assert owl.post("hidden", ref="r") == {**ack, "dup": True}
        fox.post("after")
        public = {"kind": "retracted", "seq": 2}
        own = owl.take(3)
        assert [one["text"] for one in own] == ["before", "hidden", "after"]
        assert "shadow" not in own[1]
        # Another tab of the same user shows no difference, either.
        assert tab.take(3) == own
        assert fox.take(3)[1] == public
        assert mia.take(3)[1] == {**own[1], "shadow": True}
        with Viewer(server, room) as joiner:
            assert joiner.welcome["entries"][1] == public
        with Viewer(server, room, cursor=f"{owl.welcome['epoch']}:0") as resumed:
            assert resumed.welcome["entries"][1] == public
            sign_in(resumed, session)
            assert resumed.wait_for("private")["entries"] == [own[1]]
        for after in ("", f"{owl.welcome['epoch']}:0"):
            assert read(server, room, after=after)[1] == public
            assert read(server, room, fox.welcome["session"], after)[1] == public
            assert read(server, room, session, after)[1] == own[1]
            assert read(server, room, host.token, after)[1] == {**own[1], "shadow": True}
        card = host.call("GET", f"users/{owl.welcome['user']}").json
        assert [one["text"] for one in card["comments"]] == ["before", "hidden"]
        with closing(Api(server)) as api:
            cards = api.get("/api/rooms").json["rooms"]
        assert "hidden" not in json.dumps(cards)


def test_comments_after_the_shadow_is_lifted_are_seen_by_all(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    with Viewer(server, room) as owl, Viewer(server, room) as fox:
        number = shadow(host, owl.welcome["user"])
        owl.post("hidden")
        host.call("DELETE", f"sanctions/{number}")
        owl.post("seen")
        assert [one.get("text") for one in fox.take(2)] == [None, "seen"]
        assert [one.get("text") for one in owl.take(2)] == ["hidden", "seen"]


def test_filter_with_shadow_hides_the_comment_that_it_matches(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    spam = {"match": "word", "text": "spam", "action": "shadow"}
    host.call("PUT", "filters", {"filters": [spam]})
    with Viewer(server, room) as owl, Viewer(server, room) as fox:
        assert owl.post("spam here")["type"] == "ack"
        owl.post("fine")
        assert [one.get("text") for one in fox.take(2)] == [None, "fine"]
        assert [one.get("text") for one in owl.take(2)] == ["spam here", "fine"]


def test_shadowed_comments_survive_a_restart_for_those_who_may_see_them(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0")
    with Viewer(server, room) as owl, closing(Moderator(server, room)) as mia:
        session = owl.welcome["session"]
        shadow(mia, owl.welcome["user"])
        owl.post("hidden")
    server.restart()
    with Viewer(server, room) as owl, Viewer(server, room) as fox:
        assert owl.welcome["entries"] == [{"kind": "retracted", "seq": 1}]
        sign_in(owl, session)
        assert [one["text"] for one in owl.wait_for("private")["entries"]] == ["hidden"]
        owl.post("again")
        assert owl.take(2)[1]["text"] == "again"
        assert fox.take(2)[1] == {"kind": "retracted", "seq": 2}
    assert [one["text"] for one in read(server, room, session)] == ["hidden", "again"]


@pytest.mark.parametrize("act", ["retract", "clear", "clear_user"])
def test_removed_shadowed_comment_is_gone_for_everybody(
    server: ServerProcess, room: str, host: Moderator, act: str
) -> None:
    with Viewer(server, room) as owl:
        user, session = owl.welcome["user"], owl.welcome["session"]
        shadow(host, user)
        owl.post("hidden")
        assert owl.take(1)[0]["text"] == "hidden"
        if act == "retract":
            host.retract(1)
            assert host.read_log()[-1]["user"] == user
        else:
            host.clear(**({"user": user} if act == "clear_user" else {}))
        assert owl.take(1)[0]["seq"] == 2
        for token in ("", session, host.token):
            for after in ("", f"{owl.welcome['epoch']}:0"):
                assert read(server, room, token, after)[0] == {"kind": "retracted", "seq": 1}
        comments = host.call("GET", f"users/{user}").json["comments"]
        assert comments == [{"kind": "retracted", "seq": 1}]


def test_shadowed_comment_cannot_be_reported(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    with Viewer(server, room) as owl:
        shadow(host, owl.welcome["user"])
        owl.post("hidden")
    with closing(Api(server)) as api:
        answer = api.call("POST", f"/api/rooms/{room}/reports", b'{"seq":1}')
        assert answer.status == 404


def test_flood_of_shadowed_comments_is_thinned_like_any_other(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0", "--delivery-rate", "5")
    with (
        closing(Moderator(server, room)) as mia,
        Viewer(server, room) as owl,
        Viewer(server, room) as fox,
    ):
        shadow(mia, owl.welcome["user"])
        owl.post_many([f"{number}" for number in range(100)])
        thinned = 0
        while not thinned:
            thinned = fox.wait_for("batch").get("thinned", 0)
        assert thinned
