"""Mutes and bans over HTTP, and what the sanctioned user can still do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from chat.core.comment import Role
from tests.support.api import Api
from tests.support.moderator import Moderator
from tests.support.room_admin import sign_token
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def moderator(server: ServerProcess, room: str) -> Iterator[Moderator]:
    with closing(Moderator(server, room)) as one:
        yield one


def test_muted_user_may_watch_and_may_post_again_when_it_is_lifted(
    server: ServerProcess, room: str, moderator: Moderator
) -> None:
    with Viewer(server, room) as owl, Viewer(server, room) as fox:
        user = owl.welcome["user"]
        answer = moderator.call(
            "POST", "sanctions", {"user": user, "kind": "mute", "minutes": 10, "reason": "spam"}
        )
        mute = answer.json
        assert (answer.status, mute["user"], mute["kind"]) == (201, user, "mute")
        assert (mute["reason"], mute["by"], mute["until"]) == ("spam", "mia", mute["at"] + 600_000)
        rejected = owl.post("one")
        assert (rejected["type"], rejected["code"]) == ("reject", "muted")
        assert 590 < rejected["retry_after"] <= 600
        assert fox.post("two")["type"] == "ack"
        assert owl.take(1)[0]["text"] == "two"
        assert moderator.call("GET", "sanctions").json == {"sanctions": [mute]}
        assert moderator.call("GET", f"users/{user}").json["sanctions"] == [mute]
        for _ in range(2):
            assert moderator.call("DELETE", f"sanctions/{mute['id']}").status == 204
        assert owl.post("three")["type"] == "ack"
        assert moderator.call("GET", "sanctions").json == {"sanctions": []}
        lifted = {"sanction": "mute", "user": user, "lifted": mute["id"]}
        log = moderator.read_log()
        assert [act["kind"] for act in log] == ["sanction", "lift"]
        assert log[1].items() >= lifted.items()


def test_banned_user_is_disconnected_may_watch_and_may_not_post(
    start_server: StartServer, room: str
) -> None:
    server = start_server()
    with (
        Viewer(server, room) as owl,
        Viewer(server, room) as fox,
        Viewer(server, "elsewhere") as other,
    ):
        user, session = owl.welcome["user"], owl.welcome["session"]
        fox.post("one")
        other.send("auth", token=session)
        other.wait_for("identity")
        with closing(Moderator(server, room)) as mia:
            ban = mia.call("POST", "sanctions", {"user": user, "kind": "ban"}).json
            assert ban["until"] is None
        bye = owl.wait_for("bye")
        assert (bye["code"], bye["reconnect_after"]) == (4503, None)
        assert owl.read_close() == 4503
        assert fox.post("two")["type"] == "ack"
        assert other.post("elsewhere")["type"] == "ack"
    server.restart()
    with Viewer(server, room) as owl, closing(Api(server)) as api:
        assert [entry["text"] for entry in owl.welcome["entries"]] == ["one", "two"]
        owl.send("auth", token=session)
        assert owl.wait_for("identity")["user"] == user
        rejected = owl.post("three")
        assert (rejected["code"], rejected["retry_after"]) == ("banned", None)
        headers = {"Authorization": f"Bearer {session}"}
        answer = api.call("POST", f"/api/rooms/{room}/comments", b'{"text":"three"}', **headers)
        assert (answer.status, answer.error["code"]) == (403, "banned")
        with closing(Moderator(server, room)) as mia:
            assert mia.call("GET", "sanctions").json == {"sanctions": [ban]}


def test_new_sanction_replaces_the_users_earlier_one_of_the_kind(
    room: str, moderator: Moderator, server: ServerProcess
) -> None:
    with Viewer(server, room) as owl:
        user = owl.welcome["user"]
        first, second = (
            moderator.call("POST", "sanctions", {"user": user, "kind": "mute", "minutes": n}).json
            for n in (1, 60)
        )
        assert moderator.call("GET", "sanctions").json["sanctions"] == [second]
        assert moderator.call("DELETE", f"sanctions/{first['id']}").status == 204
        assert owl.post("one")["code"] == "muted"
        for unknown in ("0", "99", "x", "-1"):
            answer = moderator.call("DELETE", f"sanctions/{unknown}")
            assert (answer.status, answer.error["code"]) == (404, "not_found")


def test_staff_are_exempt_from_sanctions(
    server: ServerProcess, room: str, moderator: Moderator
) -> None:
    with Viewer(server, room) as host:
        host.send("auth", token=sign_token(server, room, Role.HOST, "Ann", "ann"))
        host.wait_for("identity")
        for kind in ("mute", "ban"):
            assert moderator.call("POST", "sanctions", {"user": "ann", "kind": kind}).status == 201
        assert host.post("one")["type"] == "ack"


def test_ban_of_an_address_stops_its_guests_and_nobody_else(
    start_server: StartServer, room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server("--trusted-proxies", "127.0.0.0/8")

    def enter(address: str) -> Viewer:
        monkeypatch.setattr(Viewer, "header", [f"X-Forwarded-For: {address}"])
        return Viewer(server, room)

    def post_over_http(address: str) -> int:
        with closing(Api(server)) as api:
            return api.post_body(room, b'{"text":"hi"}', X_Forwarded_For=address).status

    with (
        enter("2001:db8:1::1") as owl,
        enter("2001:db8:1::2") as same,
        enter("2001:db8:1::3") as user,
        enter("2001:db8:2::1") as other,
        closing(Moderator(server, room)) as mia,
    ):
        ban = {"user": owl.welcome["user"], "kind": "ban", "address": True}
        answer = mia.call("POST", "sanctions", ban)
        assert (answer.status, answer.error["code"]) == (400, "bad_field")
        owl.post("spam")
        answer = mia.call("POST", "sanctions", ban)
        assert (answer.status, answer.json["address"]) == (201, True)
        assert owl.wait_for("bye")["code"] == 4503
        assert same.post("one")["code"] == "banned"
        assert post_over_http("2001:db8:1::4") == 403
        user.send("auth", token=sign_token(server, room, Role.VIEWER, "Ann", "ann"))
        user.wait_for("identity")
        assert user.post("two")["type"] == "ack"
        assert other.post("three")["type"] == "ack"
        assert post_over_http("2001:db8:2::2") == 201
    server.restart()
    with closing(Moderator(server, room)) as mia:
        assert post_over_http("2001:db8:1::4") == 403
        assert mia.call("DELETE", f"sanctions/{answer.json['id']}").status == 204
        assert post_over_http("2001:db8:1::4") == 201
    for file in server.database.parent.glob(server.database.name + "*"):
        assert b"2001:db8" not in file.read_bytes()
