"""Reports of comments: counted once per user, and enough of them remove a comment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from typing import Any

import pytest

from chat.core.comment import Role
from tests.support.api import Answer, Api
from tests.support.moderator import Moderator
from tests.support.room_admin import sign_token
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def host(server: ServerProcess, room: str) -> Iterator[Moderator]:
    with closing(Moderator(server, room, Role.HOST, "Ann", "ann")) as one:
        yield one


def report(server: ServerProcess, room: str, token: str = "", **body: Any) -> Answer:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with closing(Api(server)) as api:
        return api.call("POST", f"/api/rooms/{room}/reports", json.dumps(body).encode(), **headers)


def read_reports(moderator: Moderator) -> list[dict[str, Any]]:
    reports: list[dict[str, Any]] = moderator.call("GET", "reports").json["reports"]
    return reports


def test_reports_are_counted_once_per_user_and_once_without_a_session(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    with Viewer(server, room) as owl, Viewer(server, room) as fox, Viewer(server, room) as mia:
        mia.send("auth", token=host.token)
        mia.wait_for("identity")
        owl.post("rude")
        for _ in range(2):
            assert report(server, room, seq=1, reason="insults").status == 204
            assert report(server, room, fox.welcome["session"], seq=1).status == 204
        notice = mia.wait_for("staff")["entries"][0]
        assert (notice["kind"], notice["seq"], notice["by"]) == ("report", 1, "")
        [item] = read_reports(host)
        assert item["last"] >= item["at"]
        del item["last"], item["at"]
        assert item == {
            "seq": 1,
            "user": owl.welcome["user"],
            "name": owl.welcome["name"],
            "text": "rude",
            "count": 2,
            "reasons": ["insults"],
        }
        assert host.call("GET", f"users/{owl.welcome['user']}").json["reports"] == 2
        assert [one["kind"] for one in host.read_log()] == ["report"]


def test_dismissed_reports_count_no_more(server: ServerProcess, room: str, host: Moderator) -> None:
    with Viewer(server, room) as owl:
        owl.post("fine")
        report(server, room, seq=1)
        for _ in range(2):
            assert host.call("DELETE", "reports/1").status == 204
        assert read_reports(host) == []
        # The same reporter is not counted again; others are.
        assert report(server, room, seq=1).status == 204
        assert read_reports(host) == []
        assert report(server, room, owl.welcome["session"], seq=1).status == 204
        assert [one["count"] for one in read_reports(host)] == [1]


def test_comment_with_enough_reports_is_removed_and_held(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    host.call("PATCH", "settings", {"report_threshold": 3})
    with ExitStack() as stack:
        owl, *others = (stack.enter_context(Viewer(server, room)) for _ in range(7))
        owl.post("rude")
        sessions = [one.welcome["session"] for one in others]
        with ThreadPoolExecutor(len(sessions)) as at_once:
            answers = list(at_once.map(lambda one: report(server, room, one, seq=2), sessions))
        # Whoever comes after the removal finds no comment.
        assert {one.status for one in answers} <= {204, 404}
        assert [one.status for one in answers].count(204) >= 3
        *_, retraction = others[0].take(3)
        assert (retraction["kind"], retraction["target"]) == ("retract", 2)
        assert read_reports(host) == []
        [held] = host.call("GET", "held").json["held"]
        assert (held["text"], held["cause"]) == ("rude", "reports")
        assert host.retract(2).json["seq"] == 3
        host.call("POST", f"held/{held['id']}", {"approve": True})
        [again] = others[0].take(1)
        assert (again["seq"], again["text"], again["user"]) == (4, "rude", owl.welcome["user"])


def test_reports_never_remove_comments_of_staff(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    host.call("PATCH", "settings", {"report_threshold": 1})
    with Viewer(server, room) as mia:
        mia.send("auth", token=sign_token(server, room, Role.MODERATOR))
        mia.wait_for("identity")
        mia.post("be nice")
    assert report(server, room, seq=2).status == 204
    assert [one["count"] for one in read_reports(host)] == [1]
    assert host.call("GET", "held").json["held"] == []


def test_removed_comments_cannot_be_reported_and_their_reports_are_closed(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    with Viewer(server, room) as owl, Viewer(server, room) as fox:
        for text in ("one", "two", "three"):
            owl.post(text)
        fox.post("four")
        for seq in (1, 2, 4):
            assert report(server, room, seq=seq).status == 204
        host.retract(1)
        assert [one["seq"] for one in read_reports(host)] == [2, 4]
        host.clear(user=owl.welcome["user"])
        assert [one["seq"] for one in read_reports(host)] == [4]
        assert host.call("GET", f"users/{owl.welcome['user']}").json["reports"] == 0
        host.clear()
        assert read_reports(host) == []
        for seq in (1, 3, 4, 5, 99):
            answer = report(server, room, fox.welcome["session"], seq=seq)
            assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_field"),
        ({"seq": 0}, "bad_field"),
        ({"seq": "1"}, "bad_field"),
        ({"seq": 1.5}, "bad_field"),
        ({"seq": 10**17}, "bad_field"),
        ({"seq": 1, "reason": "x" * 201}, "bad_field"),
        ({"seq": 1, "why": "rude"}, "bad_field"),
    ],
)
def test_invalid_report_is_rejected(
    server: ServerProcess, room: str, body: dict[str, Any], code: str
) -> None:
    with Viewer(server, room) as owl:
        owl.post("rude")
    answer = report(server, room, **body)
    assert (answer.status, answer.error["code"]) == (400, code)


def test_invalid_token_is_not_taken_for_none(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as owl:
        owl.post("rude")
        forged = owl.welcome["session"][:-4] + "AAAA"
        assert report(server, room, forged, seq=1).error["code"] == "bad_token"


def test_reports_survive_a_restart(start_server: StartServer, room: str) -> None:
    server = start_server()
    with Viewer(server, room) as owl:
        owl.post("rude")
    report(server, room, seq=1, reason="insults")
    with closing(Moderator(server, room)) as mia:
        before = read_reports(mia)
    server.restart()
    with closing(Moderator(server, room)) as mia:
        assert read_reports(mia) == before
