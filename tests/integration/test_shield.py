"""A shield: strict rules over those of a room, for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from chat.core.comment import Role
from tests.support.moderator import Moderator
from tests.support.room_admin import sign_token
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]

LINK = "see https://example.org"


@pytest.fixture
def host(server: ServerProcess, room: str) -> Iterator[Moderator]:
    with closing(Moderator(server, room, Role.HOST)) as one:
        yield one


def test_shield_is_in_force_until_it_is_removed_and_leaves_the_rooms_rules_as_they_are(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    host.call("PATCH", "settings", {"slow_mode": 100, "title": "Live"})
    raised = host.call("POST", "shield")
    shield = raised.json["settings"]["shield"]
    assert raised.json["settings"] == {"title": "Live", "slow_mode": 100, "shield": shield}
    with Viewer(server, room) as owl, Viewer(server, room) as ann:
        assert owl.welcome["settings"]["shield"] == shield
        assert owl.post("hello")["code"] == "sign_in_needed"
        ann.send("auth", token=sign_token(server, room, Role.VIEWER, "Ann", "ann"))
        ann.wait_for("identity")
        assert ann.post(LINK)["code"] == "links"
        assert ann.post("hello")["type"] == "ack"
        # The room's own slow mode is the stricter one.
        assert ann.post("hello again")["retry_after"] > shield["slow_mode"]
        # What is changed meanwhile is kept for afterwards.
        host.call("PATCH", "settings", {"slow_mode": None})
        assert ann.post("more")["retry_after"] <= shield["slow_mode"]
        for _ in range(2):
            removed = host.call("DELETE", "shield")
            assert (removed.status, removed.json["settings"]) == (200, {"title": "Live"})
        assert owl.post(LINK)["type"] == "ack"


def test_shield_has_the_values_that_are_asked_for_and_survives_a_restart(
    start_server: StartServer, room: str
) -> None:
    server = start_server()
    with closing(Moderator(server, room, Role.HOST)) as host:
        raised = host.call("POST", "shield", {"who_may_post": "everyone", "max_length": 5})
        shield = raised.json["settings"]["shield"]
        assert (shield["who_may_post"], shield["max_length"]) == ("everyone", 5)
        assert host.call("POST", "shield", {"max_length": 0}).error["code"] == "bad_field"
        assert host.call("POST", "shield", {"title": "x"}).error["code"] == "bad_field"
        assert host.call("PATCH", "settings", {"shield": None}).error["code"] == "bad_field"
    server.restart()
    with Viewer(server, room) as owl, closing(Moderator(server, room)) as mia:
        assert owl.welcome["settings"] == {"shield": shield}
        assert owl.post("too long")["code"] == "text_too_long"
        assert owl.post("short")["type"] == "ack"
        for method in ("POST", "DELETE"):
            assert mia.call(method, "shield").error["code"] == "not_allowed"
