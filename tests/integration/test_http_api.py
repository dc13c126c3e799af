"""The HTTP API, and the pages' addresses."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing

import pytest

from chat.core.comment import Role
from tests.support.api import Api, state_of
from tests.support.moderator import Moderator
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]


def test_rooms_are_listed_with_their_viewers_and_newest_comments(
    server: ServerProcess, room: str
) -> None:
    api = Api(server)
    with Viewer(server, room) as viewer, Viewer(server, room):
        viewer.post_many([f"{number}" for number in range(7)])
        # Other entries take no comment's place.
        with closing(Moderator(server, room, Role.HOST)) as host:
            for delay in range(1, 6):
                host.call("PATCH", "settings", {"delay": delay})
        listing = api.get("/api/rooms").json
    assert abs(listing["now"] - time.time() * 1000) < 60_000
    (card,) = [card for card in listing["rooms"] if card["room"] == room]
    assert card.keys() == {"room", "viewers", "title", "last"}
    assert card["viewers"] == 2
    assert [entry["text"] for entry in card["last"]] == ["2", "3", "4", "5", "6"]


def test_most_watched_room_comes_first(start_server: StartServer) -> None:
    server = start_server()
    with Viewer(server, "quiet"), Viewer(server, "busy"), Viewer(server, "busy"):
        rooms = Api(server).get("/api/rooms").json["rooms"]
        assert [(card["room"], card["viewers"]) for card in rooms] == [("busy", 2), ("quiet", 1)]


def test_room_has_its_head_viewers_and_settings(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as viewer:
        viewer.post("hi")
        assert Api(server).get(f"/api/rooms/{room}").json == {
            "room": room,
            "epoch": viewer.welcome["epoch"],
            "seq": 1,
            "viewers": 1,
            "settings": {},
        }


def test_page_of_entries_has_the_documented_shape(server: ServerProcess, room: str) -> None:
    api = Api(server)
    empty = api.entries(room).json
    assert empty == {
        "epoch": "0",
        "first": 1,
        "last": 0,
        "head": 0,
        "recovered": False,
        "reason": None,
        "entries": [],
    }
    for number in range(5):
        api.post(room, f"{number}")
    recent = api.entries(room, limit=2).json
    assert (recent["first"], recent["last"], recent["head"]) == (4, 5, 5)
    following = api.entries(room, after=f"{recent['epoch']}:1", limit=2).json
    assert (following["first"], following["last"], following["head"]) == (2, 3, 5)
    assert (following["recovered"], following["reason"]) == (True, None)
    nothing_new = api.entries(room, after=f"{recent['epoch']}:5").json
    assert (nothing_new["first"], nothing_new["last"]) == (6, 5)


def test_long_poll_is_answered_by_the_next_comment(server: ServerProcess, room: str) -> None:
    api = Api(server)
    epoch = api.entries(room).json["epoch"]
    answers = []
    poll = threading.Thread(
        target=lambda: answers.append(api.entries(room, after=f"{epoch}:0", wait=30).json)
    )
    poll.start()
    with Viewer(server, room) as viewer:
        while viewer.wait_for("viewers")["count"] != 2:  # the one who polls is there
            pass
        began = time.monotonic()
        viewer.post("at last")
        poll.join()
    assert time.monotonic() - began < 10
    assert [entry["text"] for entry in answers[0]["entries"]] == ["at last"]


def test_long_poll_without_entries_is_answered_after_its_wait(
    server: ServerProcess, room: str
) -> None:
    api = Api(server)
    epoch = api.entries(room).json["epoch"]
    began = time.monotonic()
    page = api.entries(room, after=f"{epoch}:0", wait=0.3).json
    assert 0.3 <= time.monotonic() - began < 5
    assert (page["recovered"], page["entries"], page["last"]) == (True, [], 0)


def test_poller_is_counted_as_one_viewer(server: ServerProcess, room: str) -> None:
    api = Api(server)
    epoch = api.post(room).json["epoch"]
    for _ in range(5):
        api.entries(room, after=f"{epoch}:0")
    assert api.get(f"/api/rooms/{room}").json["viewers"] == 1
    other = Api(server)
    other.entries(room, after=f"{epoch}:0", poller="another")
    assert api.get(f"/api/rooms/{room}").json["viewers"] == 2


def test_many_polls_of_one_program_over_connections_of_their_own_are_one_viewer(
    server: ServerProcess, room: str
) -> None:
    epoch = Api(server).post(room).json["epoch"]
    for poller in ({}, {"poller": "p1"}):
        for _ in range(20):
            Api(server).entries(room, after=f"{epoch}:0", **poller)
    assert state_of(server, room)["viewers"] == 2


def test_poller_with_too_long_a_name_is_refused(server: ServerProcess, room: str) -> None:
    answer = Api(server).entries(room, poller="p" * 65)
    assert (answer.status, answer.error["code"]) == (400, "bad_parameter")


def test_post_is_answered_with_epoch_and_seq(server: ServerProcess, room: str) -> None:
    api = Api(server)
    answer = api.post(
        room, "hi", ref="k1", name="Owl", mode="bottom", color="#00FF00", size="small"
    )
    page = api.entries(room).json
    assert answer.status == 201
    posted = {"ref": "k1", "epoch": page["epoch"], "seq": 1}
    assert answer.json == {**posted, "session": answer.json["session"]}
    (entry,) = page["entries"]
    assert (entry["name"], entry["mode"], entry["color"], entry["size"]) == (
        *("Owl", "bottom", "#00ff00", "small"),
    )


def test_guest_without_a_session_is_a_new_one_and_the_same_at_a_retry(
    server: ServerProcess, room: str
) -> None:
    for text, ref in (("a", "k1"), ("b", "k2"), ("a", "k1")):
        Api(server).post(room, text, ref=ref)
    first, second = Api(server).entries(room).json["entries"]
    assert first["user"] != second["user"]
    assert "127" not in first["user"]


def test_guests_without_a_session_share_the_limits_of_their_address(
    start_server: Callable[..., ServerProcess], room: str
) -> None:
    api = Api(start_server("--post-burst", "2", "--post-rate", "0.01"))
    statuses = [api.post(room, "hi", ref=f"k{number}").status for number in range(3)]
    assert statuses == [201, 201, 429]


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/nothing", "/api", "/api/nothing", "/api/rooms/demo/nothing"])
def test_address_with_nothing_at_it_is_404(server: ServerProcess, path: str) -> None:
    answer = Api(server).get(path)
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/rooms"),
        ("DELETE", "/api/rooms/demo"),
        ("GET", "/api/rooms/demo/comments"),
        ("PUT", "/api/rooms/demo/entries"),
        ("POST", "/ws/demo"),
        ("POST", "/healthz"),
    ],
)
def test_method_that_is_not_answered_is_405(server: ServerProcess, method: str, path: str) -> None:
    answer = Api(server).call(method, path, b"{}")
    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("path", ["/r/Bad.Room", "/r/%E6%88%BF"])
def test_page_of_an_invalid_room_is_html(server: ServerProcess, path: str) -> None:
    answer = Api(server).get(path)
    assert answer.status == 400
    assert answer.headers.get_content_type() == "text/html"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/%2e%2e/server.py",
        "/static/..%2fserver.py",
        "/static//etc/passwd",
        "/static/js",
        "/static/js/",
        "/static/js/nothing.js",
    ],
)
def test_what_is_no_file_of_the_static_folder_is_not_found(
    server: ServerProcess, path: str
) -> None:
    answer = Api(server).get(path)
    assert (answer.status, answer.error["code"]) == (404, "not_found")


# --- other sites ----------------------------------------------------------------------------------


def test_page_of_another_site_may_neither_read_nor_post(server: ServerProcess, room: str) -> None:
    api = Api(server)
    for answer in (
        api.get("/api/rooms", Origin="https://evil.example"),
        api.get(f"/api/rooms/{room}/entries", Origin="null"),
        api.get(f"/api/rooms/{room}/entries", Origin="http://["),
        api.post_body(room, b'{"text":"hi"}', Origin="https://evil.example"),
        api.call("OPTIONS", f"/api/rooms/{room}/comments", Origin="https://evil.example"),
    ):
        assert (answer.status, answer.error["code"]) == (403, "forbidden_origin")
        assert "Access-Control-Allow-Origin" not in answer.headers
    assert api.entries(room).json["head"] == 0


def test_page_of_an_allowed_site_may_read_and_post(start_server: StartServer, room: str) -> None:
    site = "https://a.example"
    api = Api(start_server("--allowed-origins", site))
    asked = api.call("OPTIONS", f"/api/rooms/{room}/comments", Origin=site)
    assert asked.status == 204
    assert "POST" in asked.headers["Access-Control-Allow-Methods"]
    assert "Content-Type" in asked.headers["Access-Control-Allow-Headers"]
    posted = api.post_body(room, b'{"text":"hi"}', Origin=site)
    read = api.get(f"/api/rooms/{room}/entries", Origin=site)
    refused = api.post_body(room, b'{"text":""}', Origin=site)
    assert (posted.status, read.status, refused.status) == (201, 200, 422)
    for answer in (asked, posted, read, refused):
        assert answer.headers["Access-Control-Allow-Origin"] == site
        assert "Origin" in answer.headers["Vary"]


def test_own_page_may_post(server: ServerProcess, room: str) -> None:
    assert Api(server).post_body(room, b'{"text":"hi"}', Origin=server.url).status == 201


# --- pages and headers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/r/demo", "/api/rooms", "/static/js/room/room.js", "/nothing"]
)
def test_responses_forbid_sniffing_and_name_no_server(server: ServerProcess, path: str) -> None:
    answer = Api(server).get(path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in answer.headers


@pytest.mark.parametrize("path", ["/", "/r/demo"])
def test_content_security_policy_allows_only_own_scripts(server: ServerProcess, path: str) -> None:
    answer = Api(server).get(path)
    assert answer.status == 200
    policy = dict(
        part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["script-src"] == "'self'"
    assert policy["object-src"] == policy["base-uri"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"


def test_only_the_overlay_may_be_framed(server: ServerProcess) -> None:
    for path in ("/", "/r/demo", "/r/demo/overlay/compose", "/nothing", "/api/rooms", "/ws/demo"):
        policy = Api(server).get(path, Accept="text/html").headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy, path
    overlay = Api(server).get("/r/demo/overlay").headers["Content-Security-Policy"]
    assert "frame-ancestors" not in overlay  # any page may, also one of a file


@pytest.mark.parametrize("path", ["/", "/r/demo/overlay", "/api/rooms", "/ws/demo", "/nothing"])
def test_responses_have_security_headers(server: ServerProcess, path: str) -> None:
    headers = Api(server).get(path).headers
    assert "default-src" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]


def test_api_answers_are_not_cached(server: ServerProcess, room: str) -> None:
    for path in ("/api/rooms", f"/api/rooms/{room}", f"/api/rooms/{room}/entries"):
        assert Api(server).get(path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({"Accept_Language": "zh-CN,zh;q=0.9"}, "zh"),
        ({"Accept_Language": "en"}, "en"),
        ({}, "en"),
        ({"Accept_Language": "zh", "Cookie": "lang=en"}, "en"),
    ],
)
def test_page_is_in_the_browsers_language(
    server: ServerProcess, headers: dict[str, str], language: str
) -> None:
    page = Api(server).get("/", **headers).body.decode()
    assert f'<html lang="{language}' in page
