"""Every invalid input is answered with a code and a sentence, and changes nothing else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import pytest

from chat.core.reject import REJECTIONS
from tests.support.api import Answer, Api
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]

SURROGATE = rb"\ud83d"

# What is wrong with it, the body, the code; the same over WebSocket and HTTP.
BAD_POSTS = {
    "no JSON": (b"hello", "bad_json"),
    "nothing": (b"", "bad_json"),
    "not to its end": (b'{"type":"post","text":"hi"', "bad_json"),
    "more than one": (b'{"type":"post","text":"hi"}{}', "bad_json"),
    "lone surrogate": (b'{"type":"post","text":"hi ' + SURROGATE + b'"}', "bad_json"),
    "NaN": (b'{"type":"post","text":NaN}', "bad_json"),
    "deep": (b"[" * 8000, "bad_json"),
    "array": (b'[{"type":"post","text":"hi"}]', "not_an_object"),
    "null": (b"null", "not_an_object"),
    "unknown type": (b'{"type":"shout","text":"hi"}', "unknown_type"),
    "type of a wrong kind": (b'{"type":1,"text":"hi"}', "unknown_type"),
    "no text": (b'{"type":"post"}', "missing_field"),
    "text of a wrong kind": (b'{"type":"post","text":5}', "bad_field"),
    "unknown field": (b'{"type":"post","text":"hi","colour":"#ffffff"}', "bad_field"),
    "unknown mode": (b'{"type":"post","text":"hi","mode":"sideways"}', "bad_field"),
    "unknown size": (b'{"type":"post","text":"hi","size":"huge"}', "bad_field"),
    "ref too long": (b'{"type":"post","text":"hi","ref":"%s"}' % (b"k" * 65), "bad_field"),
    "ref with a NUL": (b'{"type":"post","text":"hi","ref":"\\u0000"}', "bad_field"),
    "bad color": (b'{"type":"post","text":"hi","color":"red"}', "bad_color"),
    "text empty": (b'{"type":"post","text":""}', "text_empty"),
    "text blank": (b'{"type":"post","text":" \\u200b\\u3164\\u2800 "}', "text_empty"),
    "text too long": (b'{"type":"post","text":"%s"}' % (b"a" * 101), "text_too_long"),
    "text of marks": (
        '{{"type":"post","text":"a{}{}"}}'.format("\u0301" * 1990, "\u0323" * 1990).encode(),
        "text_too_long",
    ),
    "character of marks": (
        '{{"type":"post","text":"Z{}"}}'.format("\u030d" * 60).encode(),
        "text_too_long",
    ),
    "text too many bytes": (
        '{{"type":"post","text":"{}"}}'.format(
            "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 60
        ).encode(),
        "text_too_long",
    ),
}


def check(error: dict, code: str) -> None:
    assert error["code"] == code
    assert error["message"].endswith((".", "}."))
    assert "{detail}" not in error["message"]
    assert error["retry_after"] is None


@pytest.mark.parametrize("name", BAD_POSTS)
def test_bad_post_over_websocket_is_rejected_and_changes_nothing(
    server: ServerProcess, room: str, name: str
) -> None:
    body, code = BAD_POSTS[name]
    with Viewer(server, room) as viewer:
        viewer.post("before")
        viewer.socket.send(body.decode())
        answer = viewer.wait_for("reject", "bye")
        assert answer.keys() == {"type", "ref", "code", "message", "retry_after"}
        check(answer, code)
        assert viewer.post("after")["seq"] == 2
        assert [entry["text"] for entry in viewer.take(2)] == ["before", "after"]


@pytest.mark.parametrize("name", BAD_POSTS)
def test_bad_post_over_http_is_refused_and_changes_nothing(
    server: ServerProcess, room: str, name: str
) -> None:
    body, code = BAD_POSTS[name]
    api = Api(server)
    answer = api.post_body(room, body)
    check(answer.error, code)
    assert answer.status == REJECTIONS[code].status
    assert api.post(room, "after").json["seq"] == 1
    assert [entry["text"] for entry in api.entries(room).json["entries"]] == ["after"]


def test_reject_names_the_ref_of_the_message(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as viewer:
        for fields in (
            {"text": ""},
            {"text": "a" * 101},
            {"text": 5},
            {"text": "hi", "mode": "no"},
        ):
            viewer.send("post", ref="mine", **fields)
            assert viewer.wait_for("ack", "reject")["ref"] == "mine"
        viewer.send("shout", ref="mine")
        assert viewer.wait_for("reject")["ref"] == "mine"
        viewer.socket.send("no JSON")
        assert viewer.wait_for("reject")["ref"] is None


def test_binary_frame_is_rejected_and_changes_nothing(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as viewer:
        viewer.socket.send_binary(b'{"type":"post","text":"hi"}')
        check(viewer.wait_for("reject"), "binary")
        assert viewer.post("after")["seq"] == 1


def test_text_with_invalid_utf_8_over_http_is_refused(server: ServerProcess, room: str) -> None:
    check(Api(server).post_body(room, b'{"text":"\xff"}').error, "bad_json")


def test_wrong_type_over_http_is_rejected_although_type_is_optional(
    server: ServerProcess, room: str
) -> None:
    api = Api(server)
    assert api.post_body(room, b'{"text":"hi"}').status == 201
    assert api.post_body(room, b'{"type":"post","text":"hi"}').status == 201
    check(api.post_body(room, b'{"type":"ping","text":"hi"}').error, "unknown_type")


@pytest.mark.parametrize(
    ("name", "code"), [("", "name_empty"), ("\u3164", "name_empty"), ("a" * 25, "name_too_long")]
)
def test_bad_name_over_http_is_refused(
    server: ServerProcess, room: str, name: str, code: str
) -> None:
    answer = Api(server).post(room, "hi", name=name)
    assert answer.status == 422
    check(answer.error, code)


def test_body_over_8_kib_is_refused(server: ServerProcess, room: str) -> None:
    api = Api(server)
    answer = api.post_body(room, json.dumps({"text": "a" * 8192}).encode())
    assert answer.status == 413
    check(answer.error, "too_large")
    assert api.post(room, "after").json["seq"] == 1


def test_body_far_over_the_limit_is_refused(server: ServerProcess, room: str) -> None:
    # The server does not read that much: it answers and closes, perhaps while we still write.
    with contextlib.suppress(ConnectionError):
        assert 400 <= Api(server).post_body(room, b" " * 100_000).status < 500
    assert Api(server).post(room, "after").json["seq"] == 1


def test_post_too_fast_over_http_is_refused_with_the_time_to_wait(
    start_server: StartServer, room: str
) -> None:
    api = Api(start_server("--post-burst", "2", "--post-rate", "0.4"))
    assert [api.post(room).status for _ in range(2)] == [201, 201]
    refused = api.post(room)
    assert (refused.status, refused.error["code"]) == (429, "too_fast")
    assert 1 < refused.error["retry_after"] <= 2.5
    assert int(refused.headers["Retry-After"]) >= refused.error["retry_after"]


BAD_ADDRESSES = {
    "/api/rooms/Bad.Room": "bad_room",
    "/api/rooms/Bad.Room/entries": "bad_room",
    "/api/rooms/%20/entries": "bad_room",
    "/api/rooms/demo/entries?after=7": "bad_cursor",
    "/api/rooms/demo/entries?afer=e:1": "bad_parameter",
    "/api/rooms/demo/entries?histroy=5": "bad_parameter",
    "/api/rooms/demo?wait=1": "bad_parameter",
    "/api/rooms?%0a%1b=1": "bad_parameter",
    "/api/rooms/demo/entries?after=e:-1": "bad_cursor",
    "/api/rooms/demo/entries?after=e:1&wait=31": "bad_parameter",
    "/api/rooms/demo/entries?wait=-1": "bad_parameter",
    "/api/rooms/demo/entries?wait=nan": "bad_parameter",
    "/api/rooms/demo/entries?wait=soon": "bad_parameter",
    "/api/rooms/demo/entries?limit=0": "bad_parameter",
    "/api/rooms/demo/entries?limit=301": "bad_parameter",
    "/api/rooms/demo/entries?limit=1.5": "bad_parameter",
    "/api/rooms/demo/entries?limit=%FF": "bad_request",
}


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_bad_address_is_refused_with_code(server: ServerProcess, address: str) -> None:
    answer: Answer = Api(server).get(address)
    assert answer.status == 400
    check(answer.error, BAD_ADDRESSES[address])


def test_empty_query_parameters_count_as_absent(server: ServerProcess, room: str) -> None:
    api = Api(server)
    epoch = api.post(room).json["epoch"]
    page = api.get(f"/api/rooms/{room}/entries?after=&wait=&limit=").json
    assert (page["last"], page["reason"]) == (1, None)
    with Viewer(server, room, name="", cursor="", history="") as viewer:
        assert viewer.welcome["epoch"] == epoch
        assert len(viewer.welcome["entries"]) == 1
        assert "reason" not in viewer.welcome


def test_unknown_query_parameter_is_named_in_the_rejection(server: ServerProcess) -> None:
    for address in ("/api/rooms/demo/entries?afer=e:1", "/api/rooms?afer=e:1"):
        assert "afer" in Api(server).get(address).error["message"]


def test_bad_room_is_refused_for_posting(server: ServerProcess) -> None:
    check(Api(server).post("Bad.Room").error, "bad_room")


def test_room_that_is_not_open_here_is_refused(start_server: StartServer) -> None:
    server = start_server("--rooms", "demo,music")
    api = Api(server)
    assert api.post("demo").status == 201
    for answer in (api.post("other"), api.entries("other"), api.get("/api/rooms/other")):
        assert answer.status == 404
        check(answer.error, "no_such_room")
