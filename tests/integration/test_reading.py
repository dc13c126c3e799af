"""Reading writes nothing: rooms that do not exist yet, and the list of live rooms."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.api import Api, state_of
from tests.support.room_admin import change_settings
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]
BEGINNING = "0:0"


def rooms_in(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as archive:
        return [name for (name,) in archive.execute("SELECT name FROM rooms ORDER BY name")]


def test_reading_a_room_that_does_not_exist_writes_nothing(
    start_server: StartServer,
) -> None:
    server = start_server()
    api, log = Api(server), Path(f"{server.database}-wal")
    before = log.stat()
    for number in range(300):
        name = f"unknown-{number}"
        assert api.get(f"/api/rooms/{name}").json == {
            "room": name,
            "epoch": "0",
            "seq": 0,
            "viewers": 0,
            "settings": {},
        }
        page = {"epoch": "0", "first": 1, "last": 0, "head": 0, "entries": []}
        assert api.entries(name).json == {**page, "recovered": False, "reason": None}
        assert api.entries(name, after=BEGINNING).json == {
            **page,
            "recovered": True,
            "reason": None,
        }
        other = api.entries(name, after="d548974e:3").json
        assert other == {**page, "recovered": False, "reason": "epoch"}
    assert rooms_in(server.database) == []
    after = log.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert b"danmaku_rooms 0.0" in api.get("/metrics").body


@pytest.mark.parametrize("how", ["join", "post", "settings"])
def test_room_is_created_by_a_join_a_post_or_a_change_of_settings(
    start_server: StartServer, how: str
) -> None:
    server = start_server()
    api = Api(server)
    if how == "join":
        Viewer(server, "demo").close()
    elif how == "post":
        api.post("demo", "hi")
    else:
        change_settings(server, "demo", title="A film")
    assert rooms_in(server.database) == ["demo"]
    assert state_of(server, "demo")["epoch"] != "0"


def test_long_poll_waits_for_a_room_to_be_created(server: ServerProcess, room: str) -> None:
    answers = []
    poll = threading.Thread(
        target=lambda: answers.append(Api(server).entries(room, after=BEGINNING, wait=30).json)
    )
    poll.start()
    metrics = Api(server)
    while b"danmaku_long_polls 1.0" not in metrics.get("/metrics").body:
        time.sleep(0.01)
    with Viewer(server, room) as viewer:
        while viewer.wait_for("viewers")["count"] != 2:  # who waits is in the room that began
            pass
        viewer.post("first")
        poll.join()
        (page,) = answers
        assert (page["epoch"], page["first"], page["last"]) == (viewer.welcome["epoch"], 1, 1)
        assert (page["recovered"], page["entries"][0]["text"]) == (True, "first")


def test_long_poll_of_a_room_that_is_not_created_ends_in_time(
    server: ServerProcess, room: str
) -> None:
    began = time.monotonic()
    page = Api(server).entries(room, after=BEGINNING, wait=0.3).json
    assert time.monotonic() - began >= 0.3
    assert (page["epoch"], page["recovered"], page["entries"]) == ("0", True, [])


def test_long_poll_of_a_room_that_does_not_exist_is_answered_at_shutdown(
    start_server: StartServer, room: str
) -> None:
    server = start_server()
    answers = []
    poll = threading.Thread(
        target=lambda: answers.append(Api(server).entries(room, after=BEGINNING, wait=30).status)
    )
    poll.start()
    metrics = Api(server)
    while b"danmaku_long_polls 1.0" not in metrics.get("/metrics").body:
        time.sleep(0.01)
    assert server.stop() == 0
    poll.join()
    assert answers in ([200], [503])


def test_beginning_of_any_room_is_a_cursor(server: ServerProcess, room: str) -> None:
    api = Api(server)
    for number in range(3):
        api.post(room, f"{number}", ref=f"k{number}")
    page = api.entries(room, after=BEGINNING, limit=2).json
    assert (page["first"], page["last"], page["recovered"]) == (1, 2, True)
    with Viewer(server, room, cursor=BEGINNING) as viewer:
        assert (viewer.welcome["recovered"], len(viewer.welcome["entries"])) == (True, 3)


def test_reading_a_room_that_is_closed_opens_it_where_it_was(start_server: StartServer) -> None:
    server = start_server()
    with Viewer(server, "demo") as viewer:
        viewer.post("hi")
    server.restart()
    assert state_of(server, "demo")["seq"] == 1
    assert [entry["text"] for entry in Api(server).entries("demo").json["entries"]] == ["hi"]


def test_many_requests_for_unknown_rooms_do_not_delay_an_ack(start_server: StartServer) -> None:
    server = start_server("--post-rate", "0")
    stop = threading.Event()

    def ask(part: int) -> None:
        api, number = Api(server), 0
        while not stop.is_set():
            number += 1
            api.get(f"/api/rooms/unknown-{part}-{number}")

    askers = [threading.Thread(target=ask, args=(part,)) for part in range(4)]
    with Viewer(server, "demo") as viewer:
        for asker in askers:
            asker.start()
        began = time.monotonic()
        for number in range(50):
            viewer.post(f"{number}")
        took = time.monotonic() - began
        stop.set()
    for asker in askers:
        asker.join()
    assert took < 50 * 0.1
    assert rooms_in(server.database) == ["demo"]


def test_list_of_rooms_is_short_and_the_same_for_all(start_server: StartServer) -> None:
    server = start_server("--post-rate", "0")
    text = "界" * 100
    viewers = [Viewer(server, f"room-{number}") for number in range(120)]
    for viewer in viewers:
        for _ in range(5):
            viewer.send("post", text=text)
    for viewer in viewers:
        while viewer.head < 5:
            viewer.read()
    time.sleep(1.1)  # a list that was made before is out of date
    answer = Api(server).get("/api/rooms")
    assert len(answer.body) <= 100_000
    cards = answer.json["rooms"]
    assert len(cards) == 100
    assert all(card["last"] and card["last"][-1]["seq"] == 5 for card in cards)
    assert len(Api(server).get("/api/rooms?limit=110").json["rooms"]) == 110
    assert len(Api(server).get("/api/rooms?limit=1").json["rooms"]) == 1
    refused = Api(server).get("/api/rooms?limit=1001")
    assert (refused.status, refused.error["code"]) == (400, "bad_parameter")
    for viewer in viewers:
        viewer.close()
