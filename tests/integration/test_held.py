"""Comments that wait for a moderator: unseen, told to their authors, decided once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from chat.core.comment import Role
from tests.support.api import Answer, Api
from tests.support.moderator import Moderator
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def host(server: ServerProcess, room: str) -> Iterator[Moderator]:
    with closing(Moderator(server, room, Role.HOST, "Ann", "ann")) as one:
        one.call("PATCH", "settings", {"hold_all": True})
        yield one


def read_held(moderator: Moderator) -> list[dict[str, Any]]:
    held: list[dict[str, Any]] = moderator.call("GET", "held").json["held"]
    return held


def decide(moderator: Moderator, number: int, approve: bool) -> Answer:
    return moderator.call("POST", f"held/{number}", {"approve": approve})


def test_held_comment_is_seen_by_others_only_once_it_is_approved(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    with Viewer(server, room) as owl, Viewer(server, room) as fox, Viewer(server, room) as mia:
        mia.send("auth", token=host.token)
        mia.wait_for("identity")
        assert owl.post("hello", ref="r") == {"type": "held", "ref": "r"}
        notice = mia.wait_for("staff")["entries"][0]
        assert (notice["kind"], notice["cause"], "text" in notice) == ("hold", "hold_all", False)
        [held] = read_held(host)
        assert {name: held[name] for name in ("id", "user", "name", "text", "cause")} == {
            "id": notice["id"],
            "user": owl.welcome["user"],
            "name": owl.welcome["name"],
            "text": "hello",
            "cause": "hold_all",
        }
        with Viewer(server, room) as joiner:
            assert [one["kind"] for one in joiner.welcome["entries"]] == ["settings"]
        done = decide(host, held["id"], approve=True)
        assert done.status == 200
        ack = owl.wait_for("ack")
        assert ack == {"type": "ack", "ref": "r", "epoch": done.json["epoch"], "seq": 2}
        assert done.json == {
            "id": held["id"],
            "approved": True,
            "epoch": ack["epoch"],
            "seq": ack["seq"],
        }
        _, comment = fox.take(2)
        assert (comment["seq"], comment["text"]) == (2, "hello")
        assert comment["at"] >= held["at"]
        assert read_held(host) == []
        assert owl.post("hello", ref="r") == {**ack, "dup": True}


def test_author_of_a_comment_that_is_not_approved_is_told(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    with Viewer(server, room) as owl, Viewer(server, room) as fox:
        owl.post("hello", ref="r")
        [held] = read_held(host)
        assert decide(host, held["id"], approve=False).json["approved"] is False
        rejected = owl.wait_for("reject")
        assert (rejected["ref"], rejected["code"]) == ("r", "not_approved")
        assert owl.post("hello", ref="r")["code"] == "not_approved"
        # Nobody else was told anything.
        host.call("PATCH", "settings", {"hold_all": False})
        fox.post("mine")
        assert [one["kind"] for one in fox.take(3)] == ["settings", "settings", "comment"]
    log = host.read_log()
    assert [one["kind"] for one in log] == ["settings", "hold", "decide", "settings"]
    assert "hello" not in json.dumps(log)


def test_retry_after_a_reconnect_and_a_restart_is_told_how_the_comment_stands(
    start_server: StartServer, room: str
) -> None:
    server = start_server()
    with closing(Moderator(server, room, Role.HOST)) as host:
        host.call("PATCH", "settings", {"links": "hold"})
        with Viewer(server, room) as owl:
            session = owl.welcome["session"]
            assert owl.post("see example.com", ref="r")["type"] == "held"
    server.restart()
    with Viewer(server, room) as owl, closing(Moderator(server, room, Role.HOST)) as host:
        owl.send("auth", token=session)
        owl.wait_for("identity")
        assert owl.post("see example.com", ref="r")["type"] == "held"
        [held] = read_held(host)
        assert (held["text"], held["cause"]) == ("see example.com", "links")
        decide(host, held["id"], approve=True)
        assert owl.wait_for("ack")["seq"] == 2
    server.restart()
    with Viewer(server, room) as owl:
        owl.send("auth", token=session)
        owl.wait_for("identity")
        again = owl.post("see example.com", ref="r")
        assert (again["type"], again["seq"], again["dup"]) == ("ack", 2, True)


@pytest.mark.parametrize(("approve", "status"), [(True, 201), (False, 422)])
def test_post_over_http_is_accepted_and_its_ref_tells_how_it_stands(
    server: ServerProcess, room: str, host: Moderator, approve: bool, status: int
) -> None:
    with closing(Api(server)) as api:
        first, again = (api.post(room, "hello", ref="r") for _ in range(2))
        assert (first.status, again.status) == (202, 202)
        assert first.json == {"ref": "r", "held": True, "session": first.json["session"]}
        assert again.json == {"ref": "r", "held": True}
        [held] = read_held(host)
        decide(host, held["id"], approve)
        decided = api.post(room, "hello", ref="r")
        assert decided.status == status
        if approve:
            assert decided.json["dup"] is True
        else:
            assert decided.error["code"] == "not_approved"


def test_first_of_two_decisions_counts(server: ServerProcess, room: str, host: Moderator) -> None:
    with closing(Moderator(server, room)) as mia, Viewer(server, room) as owl:
        owl.post("hello", ref="r")
        [held] = read_held(host)
        with ThreadPoolExecutor(2) as both:
            answers = list(both.map(decide, (host, mia), (held["id"],) * 2, (True, False)))
        assert [one.status for one in answers] == [200, 200]
        outcome = owl.wait_for("ack", "reject")
        assert {one.json["approved"] for one in answers} == {outcome["type"] == "ack"}
    assert [one["kind"] for one in host.read_log()].count("decide") == 1


@pytest.mark.parametrize("body", [{}, {"user": "of the author"}])
def test_cleared_comment_is_not_approved_any_more(
    server: ServerProcess, room: str, host: Moderator, body: dict[str, str]
) -> None:
    with Viewer(server, room) as owl:
        owl.post("hello", ref="r")
        [held] = read_held(host)
        host.clear(**dict.fromkeys(body, owl.welcome["user"]))
        assert owl.wait_for("reject")["code"] == "not_approved"
    assert read_held(host) == []
    assert decide(host, held["id"], approve=True).json["approved"] is False


def test_filter_with_hold_holds_what_it_matches(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    host.call("PATCH", "settings", {"hold_all": None})
    spam = {"match": "word", "text": "spam", "action": "hold"}
    host.call("PUT", "filters", {"filters": [spam]})
    with Viewer(server, room) as owl:
        assert owl.post("fine")["type"] == "ack"
        assert owl.post("s p a m")["type"] == "held"
    assert [(one["text"], one["cause"]) for one in read_held(host)] == [("s p a m", "filters")]


@pytest.mark.parametrize("number", ["0", "99", "x", "-1", "9" * 30])
def test_decision_on_what_is_not_held_is_not_found(host: Moderator, number: str) -> None:
    answer = host.call("POST", f"held/{number}", {"approve": True})
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("body", [{}, {"approve": "yes"}, {"approve": True, "at": 1}, []])
def test_invalid_decision_is_rejected(
    server: ServerProcess, room: str, host: Moderator, body: Any
) -> None:
    with Viewer(server, room) as owl:
        owl.post("hello")
    [held] = read_held(host)
    assert host.call("POST", f"held/{held['id']}", body).status == 400
    assert read_held(host) == [held]
