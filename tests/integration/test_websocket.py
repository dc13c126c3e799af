"""The WebSocket connection, message by message as documented, over each way to upgrade.

The fast path answers plain upgrades to open rooms before Tornado parses them. Tornado's handler
answers the others: unusual heads, and everything over TLS.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import websocket
from websockets.frames import Opcode

from tests.support.api import Api
from tests.support.certificates import Certificate
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer
from tests.support.websocket_frames import encode_close, encode_frame

StartServer = Callable[..., ServerProcess]


@pytest.fixture(scope="module", params=["fast path", "handler", "tls"])
def upgrade(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def tls(upgrade: str, certificate: Certificate) -> Certificate | None:
    return certificate if upgrade == "tls" else None


@pytest.fixture
def room(upgrade: str, room: str, server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    """A room whose viewers are upgraded in this way."""
    if upgrade == "fast path":
        assert Api(server).entries(room).status == 200  # from here on it is open
    elif upgrade == "handler":
        monkeypatch.setattr(Viewer, "header", ["X-Twice: 1", "X-Twice: 2"])
    return room


def test_welcome_has_the_viewers_identity_and_the_rooms_head(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room) as viewer:
        welcome = viewer.welcome
        assert welcome == {
            "type": "welcome",
            "room": room,
            "epoch": welcome["epoch"],
            "seq": 0,
            "user": welcome["user"],
            "name": welcome["name"],
            "role": "viewer",
            "session": welcome["session"],
            "settings": {},
            "viewers": 1,
            "recovered": False,
            "entries": [],
        }
        assert re.fullmatch(r"[0-9a-z]{1,32}", welcome["epoch"])
        assert re.fullmatch(r"g-[0-9a-f]+", welcome["user"])
        assert welcome["name"].strip()


def test_post_with_nothing_but_a_text_is_accepted(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as viewer:
        viewer.socket.send('{"type":"post","text":"hi"}')
        ack = viewer.wait_for("ack")
        assert ack == {"type": "ack", "ref": None, "epoch": viewer.welcome["epoch"], "seq": 1}
        (entry,) = viewer.take(1)
        assert entry["user"] == viewer.welcome["user"]
        assert entry["name"] == viewer.welcome["name"]
        assert abs(entry["at"] - time.time() * 1000) < 60_000


def test_welcome_has_as_many_entries_as_requested(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as poster:
        poster.post_many([f"{number}" for number in range(10)])
    for asked, given in (("0", 0), ("3", 3), ("300", 10)):
        with Viewer(server, room, history=asked) as viewer:
            assert len(viewer.welcome["entries"]) == given
            assert viewer.welcome["seq"] == 10


def test_given_name_is_cleaned_and_shown(server: ServerProcess, room: str) -> None:
    with Viewer(server, room, name=" Night\u202e  Owl ") as viewer:
        assert viewer.welcome["name"] == "Night Owl"
        viewer.post("hi")
        assert viewer.take(1)[0]["name"] == "Night Owl"


def test_viewer_count_follows_joins_and_leaves(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as first:
        with Viewer(server, room) as second:
            assert second.welcome["viewers"] == 2
            while first.wait_for("viewers")["count"] != 2:
                pass
        while first.wait_for("viewers")["count"] != 1:
            pass


def test_ping_is_answered(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as viewer:
        viewer.send("ping")
        assert viewer.wait_for("pong") == {"type": "pong"}


def test_ping_frame_is_answered_with_its_payload(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as viewer:
        viewer.socket.ping("are you there")
        while True:
            opcode, frame = viewer.socket.recv_data_frame(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_PONG:
                break
        assert frame.data == b"are you there"


def test_rename_is_answered_and_applies_to_later_comments(server: ServerProcess, room: str) -> None:
    with Viewer(server, room, name="Owl") as viewer:
        viewer.post("as Owl")
        viewer.send("rename", name=" Night  Fox ")
        answer = viewer.wait_for("identity")
        assert answer == {
            "type": "identity",
            "user": viewer.welcome["user"],
            "name": "Night Fox",
            "role": "viewer",
            "session": answer["session"],
        }
        assert answer["session"] != viewer.welcome["session"]
        viewer.post("as Fox")
        assert [entry["name"] for entry in viewer.take(2)] == ["Owl", "Night Fox"]


@pytest.mark.parametrize(
    ("name", "code"), [("", "name_empty"), ("\u200b", "name_empty"), ("a" * 25, "name_too_long")]
)
def test_bad_name_is_rejected_and_the_old_one_stays(
    server: ServerProcess, room: str, name: str, code: str
) -> None:
    with Viewer(server, room, name="Owl") as viewer:
        viewer.send("rename", name=name)
        assert viewer.wait_for("reject")["code"] == code
        viewer.post("hi")
        assert viewer.take(1)[0]["name"] == "Owl"


def test_paused_viewer_is_sent_nothing_and_then_everything(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room) as viewer, Viewer(server, room) as poster:
        viewer.send("pause")
        viewer.send("ping")
        viewer.wait_for("pong")
        poster.post_many(["a", "b", "c"])
        viewer.send("ping")
        viewer.wait_for("pong")
        assert viewer.entries == []
        viewer.send("resume")
        assert [entry["text"] for entry in viewer.take(3)] == ["a", "b", "c"]
        poster.post("d")
        assert [entry["text"] for entry in viewer.take(1)] == ["d"]


def test_resume_sends_everything_missed_without_a_new_comment(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room) as viewer, Viewer(server, room) as poster:
        viewer.send("pause")
        viewer.send("ping")
        viewer.wait_for("pong")
        poster.post_many([f"{number}" for number in range(900)])
        viewer.send("resume")
        assert len(viewer.take(900)) == 900


def test_paused_viewer_can_post_and_is_counted(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as viewer:
        viewer.send("pause")
        assert viewer.post("hi")["seq"] == 1
        with Viewer(server, room) as other:
            assert other.welcome["viewers"] == 2


def test_post_too_fast_is_rejected_and_accepted_after_retry_after(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-burst", "2", "--post-rate", "1")
    with Viewer(server, room) as viewer:
        for number in range(3):  # at once, so that a busy machine does not make them slow enough
            viewer.send("post", text="hi", ref=f"k{number}")
        refused = viewer.wait_for("reject")
        assert (refused["ref"], refused["code"]) == ("k2", "too_fast")
        assert 0 < refused["retry_after"] <= 1
        time.sleep(refused["retry_after"])  # the wait that the server asks for is what is tested
        viewer.send("post", text="hi", ref="k2")
        acks = [
            viewer.wait_for("ack")
            for _ in range(3 - sum(message["type"] == "ack" for message in viewer.messages))
        ]
        assert (acks[-1]["ref"], acks[-1]["seq"]) == ("k2", 3)
        with Viewer(server, room) as other:
            assert other.post("mine")["type"] == "ack", "another's limit is not mine"


def test_twenty_bad_messages_in_a_row_end_the_connection(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as viewer:
        for _ in range(19):
            viewer.socket.send("nonsense")
            assert viewer.wait_for("reject")["code"] == "bad_json"
        assert viewer.post("in between")["type"] == "ack"  # a valid message resets the count
        for _ in range(20):
            viewer.socket.send("nonsense")
        assert viewer.wait_for("bye")["code"] == 4500
        assert viewer.messages[-1]["reconnect_after"] is None
        assert viewer.read_close() == 4500
    assert sum(message["type"] == "reject" for message in viewer.messages) == 39


def test_viewers_that_join_during_posts_get_no_gap_and_no_duplicate(
    server: ServerProcess, room: str
) -> None:
    stop = threading.Event()

    def post_on_and_on() -> int:
        with Viewer(server, room) as poster:
            while not stop.is_set():
                poster.post_many([f"{number}" for number in range(20)])
            return poster.head

    threads = ThreadPoolExecutor(1)
    posted = threads.submit(post_on_and_on)
    try:
        cursor = None
        for _ in range(25):
            with Viewer(server, room, **({"cursor": cursor} if cursor else {})) as viewer:
                welcome, before = viewer.welcome, int(cursor.split(":")[1]) if cursor else 0
                seqs = [entry["seq"] for entry in welcome["entries"]]
                if welcome["recovered"]:
                    assert seqs == list(range(before + 1, welcome["seq"] + 1))
                else:
                    assert seqs == list(range(welcome["seq"] - len(seqs) + 1, welcome["seq"] + 1))
                viewer.wait_for("batch")  # which begins at welcome.seq + 1, or reading it fails
                cursor = viewer.cursor
    finally:
        stop.set()
        head = posted.result()
    with Viewer(server, room, cursor=cursor) as viewer:
        assert viewer.welcome["seq"] >= head


# --- frames that break the protocol ---------------------------------------------------------------


TEXT, CONT, UNKNOWN = Opcode.TEXT, Opcode.CONT, 0x3
OVER_8_KIB = b'{"type":"post","text":"' + b"a" * 8192 + b'"}'


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (encode_frame(TEXT, OVER_8_KIB), 1009),
        (
            encode_frame(TEXT, OVER_8_KIB[:8000], fin=False)
            + encode_frame(CONT, OVER_8_KIB[8000:]),
            1009,
        ),
        (encode_frame(TEXT, b'{"type":"post","text":"\xff\xfe"}'), 1007),
        (encode_frame(TEXT, b"\xff"), 1007),
        (encode_frame(TEXT, b'{"type":"ping"}', mask=False), 1002),
        (encode_frame(TEXT, b'{"type":"ping"}', rsv1=True), 1002),
        (encode_frame(UNKNOWN), 1002),
        (encode_frame(CONT, b"nothing before it"), 1002),
        (encode_frame(Opcode.CLOSE, b"\x03"), 1002),
        (encode_close(999), 1002),
        (encode_close(1005), 1002),
    ],
    ids=[
        *("over 8 KiB", "over 8 KiB in fragments", "invalid UTF-8", "invalid UTF-8, no JSON"),
        *("not masked", "reserved bit", "unknown opcode", "fragment of nothing"),
        *("close of one byte", "close code too low", "close code that is never sent"),
    ],
)
def test_frame_that_violates_the_protocol_closes_only_its_connection(
    server: ServerProcess, room: str, data: bytes, code: int
) -> None:
    with Viewer(server, room) as other:
        with Viewer(server, room) as viewer:
            viewer.socket.sock.sendall(data)
            bye = viewer.wait_for("bye")
            assert bye["code"] == code
            assert bye["message"].endswith(".")
            assert viewer.read_close() == code
        assert other.post("still here")["seq"] == 1


def test_message_in_fragments_is_one_message(server: ServerProcess, room: str) -> None:
    message = '{"type":"post","text":"弹幕"}'.encode()
    with Viewer(server, room) as viewer:
        viewer.socket.sock.sendall(
            encode_frame(TEXT, message[:25], fin=False)
            + encode_frame(Opcode.PING, b"between")
            + encode_frame(CONT, message[25:])
        )
        viewer.wait_for("ack")
        assert viewer.take(1)[0]["text"] == "弹幕"


def test_close_is_answered_with_its_code(server: ServerProcess, room: str) -> None:
    with Viewer(server, room) as viewer:
        viewer.wait_for("viewers")  # no other message is pending
        viewer.socket.sock.sendall(encode_close(1000, "done"))
        assert viewer.read_close() == 1000
        with contextlib.suppress(ConnectionError):
            assert viewer.socket.sock.recv(1) == b""


def test_viewer_that_disconnects_without_a_close_frame_is_no_longer_counted(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room) as stays:
        gone = Viewer(server, room)
        while stays.wait_for("viewers")["count"] != 2:
            pass
        gone.socket.shutdown()  # no close frame
        while stays.wait_for("viewers")["count"] != 1:
            pass


# --- whose pages may ------------------------------------------------------------------------------


def test_page_of_another_site_may_not_connect(server: ServerProcess, room: str) -> None:
    for origin in ("https://evil.example", "null", f"http://127.0.0.1:{server.port + 1}"):
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            Viewer(server, room, origin=origin)
        assert refused.value.status_code == 403
        assert b"forbidden_origin" in refused.value.resp_body


def test_own_page_and_script_may_connect(server: ServerProcess, room: str) -> None:
    for origin in (server.url, None):
        with Viewer(server, room, origin=origin) as viewer:
            assert viewer.post("hi")["type"] == "ack"


def test_page_of_an_allowed_site_may_connect(start_server: StartServer, room: str) -> None:
    server = start_server("--allowed-origins", "https://a.example,https://b.example")
    for origin in ("https://a.example", "https://b.example", server.url):
        with Viewer(server, room, origin=origin) as viewer:
            assert viewer.post("hi")["type"] == "ack"
    with pytest.raises(websocket.WebSocketBadStatusException):
        Viewer(server, room, origin="https://c.example")
