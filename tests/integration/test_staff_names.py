"""Names that the staff of a room use are kept from everybody else there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest

from chat.core.comment import Role
from tests.support.api import Api
from tests.support.moderator import Moderator
from tests.support.room_admin import sign_token
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]

LOOK_ALIKES = [
    "Mia",
    "MIA",
    "M1a",
    "M i a",
    "\u041cia",
    "\uff2dia",
    "Mi\u0430",
    "Mia!",
    "M\u200bia",
]


def sign_in(viewer: Viewer, token: str) -> None:
    viewer.send("auth", token=token)
    viewer.wait_for("identity")


def ask_why(server: ServerProcess, room: str, name: str) -> str:
    """Return the code with which an upgrade with this name is refused."""
    with closing(Api(server)) as api:
        code: str = api.get(f"/ws/{room}?name={name}").error["code"]
        return code


def test_nobody_takes_the_name_of_a_moderator_who_is_there(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room) as mia, Viewer(server, room) as owl:
        owl.send("rename", name="Mia")
        owl.wait_for("identity")
        assert owl.post("before she came")["type"] == "ack"
        sign_in(mia, sign_token(server, room, Role.MODERATOR, "Mia", "mia"))
        assert owl.post("after")["code"] == "name_taken"
        for name in LOOK_ALIKES:
            owl.send("rename", name=name)
            assert owl.wait_for("identity", "reject").get("code") == "name_taken"
        owl.send("rename", name="Mira")
        owl.wait_for("identity")
        assert owl.post("as myself")["type"] == "ack"
        assert ask_why(server, room, "mia") == "name_taken"
        assert ask_why(server, room, "mira") == "not_a_websocket"
        assert mia.post("hello")["type"] == "ack"


def test_name_is_kept_from_posts_over_http_and_from_tokens_of_viewers(
    server: ServerProcess, room: str
) -> None:
    with closing(Moderator(server, room)) as mia, Viewer(server, room) as ann:
        ann.post("spam")
        mia.retract(1)
        with closing(Api(server)) as api:
            refused = api.post(room, "hello", name="mia")
            assert (refused.status, refused.error["code"]) == (422, "name_taken")
            assert api.post(room, "hello", name="ann").status == 201
        sign_in(ann, sign_token(server, room, Role.VIEWER, "MIA", "ann"))
        assert ann.post("hello")["code"] == "name_taken"
        # The same person, whom a site has signed in as a viewer.
        sign_in(ann, sign_token(server, room, Role.VIEWER, "Mia", "mia"))
        assert ann.post("hello")["type"] == "ack"


@pytest.mark.parametrize("role", [Role.MODERATOR, Role.HOST, Role.BOT])
def test_name_is_kept_after_a_restart_and_free_in_other_rooms(
    start_server: StartServer, room: str, role: Role
) -> None:
    server = start_server()
    with Viewer(server, room) as mia:
        sign_in(mia, sign_token(server, room, role, "Mia", "mia"))
        mia.post("hello")
    server.restart()
    with closing(Api(server)) as api:
        assert api.post(room, "hello", name="Mia").error["code"] == "name_taken"
        assert api.post("elsewhere", "hello", name="Mia").status == 201
