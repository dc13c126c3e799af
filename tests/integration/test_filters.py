"""A room's filters over HTTP, and what becomes of the comments that they match."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from random import Random

import pytest

from chat.core.comment import Role
from tests.support.api import Api
from tests.support.moderator import Moderator
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]

REJECTED = {"match": "word", "text": "\u5783\u573e", "action": "reject"}
MASKED = {"match": "pattern", "text": "buy (now|here)", "action": "mask"}


@pytest.fixture
def host(server: ServerProcess, room: str) -> Iterator[Moderator]:
    with closing(Moderator(server, room, Role.HOST)) as one:
        yield one


def test_filters_reject_and_mask_viewers_comments_but_not_those_of_staff(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    with Viewer(server, room) as owl, Viewer(server, room) as mia:
        mia.send("auth", token=host.token)
        mia.wait_for("identity")
        changed = host.call("PUT", "filters", {"filters": [REJECTED, MASKED]})
        assert (changed.status, changed.json["count"]) == (200, 2)
        rejected = owl.post("\u8fd9\u662f\u5783 \u573e")
        assert (rejected["type"], rejected["code"]) == ("reject", "filtered")
        assert owl.post("Buy now, friends")["type"] == "ack"
        assert mia.post("\u5783\u573e")["type"] == "ack"
        assert [entry["text"] for entry in owl.take(2)] == ["*******, friends", "\u5783\u573e"]
    assert host.call("GET", "filters").json == {"filters": [REJECTED, MASKED]}
    tried = host.call("POST", "filters/try", {"text": "buy here \u5783\u573e"}).json
    assert (tried["action"], tried["text"]) == ("reject", "******** \u5783\u573e")
    assert tried["matches"] == [REJECTED, MASKED]
    assert host.call("POST", "filters/try", {"text": "hello"}).json == {
        "action": None,
        "matches": [],
        "text": "hello",
    }
    assert [(act["kind"], act["count"]) for act in host.read_log()] == [("filters", 2)]


def test_filters_before_a_change_can_be_read_to_undo_it(host: Moderator) -> None:
    first = host.call("PUT", "filters", {"filters": [REJECTED]}).json["id"]
    second = host.call("PUT", "filters", {"filters": []}).json["id"]
    assert host.call("GET", "filters").json == {"filters": []}
    assert host.call("GET", f"filters?before={second}").json == {"filters": [REJECTED]}
    assert host.call("GET", f"filters?before={first}").json == {"filters": []}


def test_bad_filters_change_nothing_and_name_their_position(host: Moderator, room: str) -> None:
    host.call("PUT", "filters", {"filters": [REJECTED]})
    for bad in ({"text": "(a|a"}, {"text": "\u200b", "match": "word"}):
        answer = host.call("PUT", "filters", {"filters": [MASKED, MASKED | bad]})
        assert (answer.status, answer.json["error"]["code"]) == (422, "bad_filter")
        assert answer.json["error"]["position"] == 1
    for wrong in ({"filters": [MASKED | {"action": "sing"}]}, {"filter": []}, {"filters": "x"}):
        answer = host.call("PUT", "filters", wrong)
        assert (answer.status, answer.error["code"]) == (400, "bad_field")
    assert host.call("GET", "filters").json == {"filters": [REJECTED]}


def test_pattern_that_takes_exponential_time_elsewhere_is_harmless(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    pattern = {"match": "pattern", "text": "(a|a)*b", "action": "reject"}
    assert host.call("PUT", "filters", {"filters": [pattern]}).status == 200
    with Viewer(server, room) as owl:
        assert owl.post("a" * 100)["type"] == "ack"
        assert owl.post("a" * 99 + "b")["code"] == "filtered"


def test_only_hosts_may_read_or_change_filters_and_the_token_comes_before_the_body(
    server: ServerProcess, room: str, host: Moderator
) -> None:
    host.call("PUT", "filters", {"filters": []})
    large = json.dumps({"filters": [], "x": "x" * 1_000_000}).encode()
    path = f"/api/rooms/{room}/filters"
    with closing(Moderator(server, room)) as mia:
        headers = {"Authorization": f"Bearer {mia.token}"}
        assert mia.call("GET", "filters").error["code"] == "not_allowed"
        assert mia.call("POST", "filters/try", {"text": "x"}).status == 200
    for given, code in ((headers, "not_allowed"), ({}, "token_needed")):
        with closing(Api(server)) as api:
            assert api.call("PUT", path, b"{}", **given).error["code"] == code
        with closing(Api(server)) as api:
            answer = api.begin("PUT", path, len(large), **given)
            assert answer.error["code"] == code
    with closing(Api(server)) as api:
        headers = {"Authorization": f"Bearer {host.token}"}
        assert api.call("PUT", path, large, **headers).error["code"] == "bad_field"
    with closing(Api(server)) as api:
        answer = api.begin("PUT", path, 8 * 1024 * 1024 + 1, **headers)
        assert (answer.status, answer.error["code"]) == (413, "too_large")


def test_fifty_thousand_words_are_in_force_after_a_restart(
    start_server: StartServer, room: str
) -> None:
    server = start_server()
    random = Random(room)
    words = [
        "".join(chr(random.randrange(0x4E00, 0x9FFF)) for _ in range(4)) for _ in range(50_000)
    ]
    filters = [{"match": "word", "text": word, "action": "reject"} for word in words]
    with closing(Moderator(server, room, Role.HOST)) as host:
        assert host.call("PUT", "filters", {"filters": filters}).status == 200
    server.restart()
    with Viewer(server, room) as owl:
        assert owl.post(words[-1])["code"] == "filtered"
        assert owl.post("hello")["type"] == "ack"
