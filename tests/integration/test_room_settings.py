"""A room's settings over HTTP and by ``danmaku room``, as viewers see them change."""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jwt
import pytest
import trustme

from chat.commands import run_command
from chat.settings import read_command
from chat.web.permits import Permits
from tests.hosting import choose, permit, secret_of
from tests.integration.api import Answer, Api
from tests.integration.viewer import Viewer
from tests.serving import ROOT, ServerProcess

StartServer = Callable[..., ServerProcess]
FILM = "https://example.org/film.mp4"


def patch(
    server: ServerProcess, room: str, body: bytes | dict[str, Any], token: str | None
) -> Answer:
    api = Api(server)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = api.call("PATCH", f"/api/rooms/{room}/settings", data, **headers)
    api.close()
    return answer


def state_of(server: ServerProcess, room: str) -> dict[str, Any]:
    api = Api(server)
    state = api.get(f"/api/rooms/{room}").json
    api.close()
    return state


# --- what a change does ---------------------------------------------------------------------------


def test_change_is_an_entry_for_everybody_and_the_welcome_of_who_comes_later(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room) as early:
        assert early.welcome["settings"] == {}
        early.say("before")
        changed = choose(server, room, title="Friday", video_url=FILM, delay=4.5)
        settings = {"title": "Friday", "video_url": FILM, "delay": 4.5}
        assert changed == {"epoch": early.welcome["epoch"], "seq": 2, "settings": settings}
        _, entry = early.take(2)
        assert entry.pop("at") > 1_700_000_000_000
        assert entry == {"kind": "settings", "seq": 2, "settings": settings}
        choose(server, room, video_url=None, slow_mode=7)
        (entry,) = early.take(1)
        settings = {"title": "Friday", "delay": 4.5, "slow_mode": 7}
        assert (entry["seq"], entry["settings"]) == (3, settings)
    with Viewer(server, room) as late:
        assert late.welcome["settings"] == settings
        assert [entry["kind"] for entry in late.entries] == ["comment", "settings", "settings"]
    assert state_of(server, room)["settings"] == settings


def test_change_comes_again_at_resume_and_over_every_transport(
    server: ServerProcess, room: str
) -> None:
    with Viewer(server, room) as viewer:
        viewer.say("before")
        viewer.take(1)
        cursor = viewer.cursor
    choose(server, room, title="while away")
    with Viewer(server, room, cursor=cursor) as back:
        assert back.welcome["recovered"]
        (entry,) = back.take(1)
        assert entry["settings"] == {"title": "while away"}
    api = Api(server)
    assert api.entries(room, after=cursor).json["entries"] == [entry]
    assert api.entries(room, after=cursor, wait=5).json["entries"] == [entry]
    api.close()


def test_title_is_on_the_lobbys_card(server: ServerProcess, room: str) -> None:
    choose(server, room, title="Friday film")
    api = Api(server)
    (card,) = [card for card in api.get("/api/rooms").json["rooms"] if card["room"] == room]
    assert card["title"] == "Friday film"
    api.close()


def test_settings_survive_restart_closing_and_trimming(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--keep-days", "1")
    epoch = choose(server, room, title="Friday", video_url=FILM)["epoch"]
    assert server.stop() == 0
    with contextlib.closing(sqlite3.connect(server.database, isolation_level=None)) as database:
        database.execute("UPDATE entries SET at = 1")  # so old that the server forgets it
        server.start()
        ends = time.monotonic() + 20
        while database.execute("SELECT count(*) FROM entries").fetchone() != (0,):
            assert time.monotonic() < ends
            time.sleep(0.05)
    api = Api(server)
    page = api.entries(room, after=f"{epoch}:0").json
    assert (page["recovered"], page["reason"], page["entries"]) == (False, "trimmed", [])
    api.close()
    assert state_of(server, room)["settings"] == {"title": "Friday", "video_url": FILM}
    server.kill()
    server.start()
    with Viewer(server, room) as viewer:
        assert viewer.welcome["settings"] == {"title": "Friday", "video_url": FILM}


def test_changes_at_the_same_time_are_all_kept(server: ServerProcess, room: str) -> None:
    fields = [{"title": "Friday"}, {"video_url": FILM}, {"delay": 3}, {"slow_mode": 5}]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda field: choose(server, room, **field), fields))
    assert sorted(answer["seq"] for answer in answers) == [1, 2, 3, 4]
    whole = {name: value for field in fields for name, value in field.items()}
    assert state_of(server, room)["settings"] == whole
    assert max(answers, key=lambda answer: answer["seq"])["settings"] == whole


# --- who may --------------------------------------------------------------------------------------


def sign(server: ServerProcess, **claims: Any) -> str:
    return jwt.encode(claims, secret_of(server), "HS256")


def test_permit_is_needed(server: ServerProcess, room: str) -> None:
    good = {"iss": "danmaku", "aud": "danmaku:room", "room": room, "exp": int(time.time()) + 60}
    foreign = Permits(b"another secret, long enough, 32 bytes").sign(room)
    unsigned = jwt.encode(good, None, "none")
    expired = sign(server, **{**good, "exp": int(time.time()) - 60})
    strange = sign(server, **{**good, "exp": "tomorrow"})
    for token in (None, "", "x", "a.b.c", foreign, unsigned, expired, strange, "\u00e9"):
        answer = patch(server, room, {"title": "stolen"}, token)
        assert (answer.status, answer.error["code"]) == (401, "token_needed"), token
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    with Viewer(server, room) as viewer:
        session = viewer.welcome["session"]
    others = [
        session,
        permit(server, "another-room"),
        sign(server, **{**good, "aud": "somebody"}),
        sign(server, **{**good, "room": [room]}),
        sign(server, **{name: value for name, value in good.items() if name != "exp"}),
    ]
    for token in others:
        answer = patch(server, room, {"title": "stolen"}, token)
        assert (answer.status, answer.error["code"]) == (403, "not_allowed"), token
    assert state_of(server, room)["settings"] == {}
    assert patch(server, room, {"title": "mine"}, sign(server, **good)).status == 200


def test_permit_is_no_session(server: ServerProcess, room: str) -> None:
    token = permit(server, room)
    api = Api(server)
    answer = api.post_body(room, b'{"text":"hi"}', Authorization=f"Bearer {token}")
    assert (answer.status, answer.error["code"]) == (401, "bad_token")
    api.close()
    with Viewer(server, room) as viewer:
        viewer.send("auth", token=token)
        assert viewer.wait_for("identity", "reject")["code"] == "bad_token"


def test_page_of_another_site_may_not(server: ServerProcess, room: str) -> None:
    api = Api(server)
    answer = api.call(
        "PATCH",
        f"/api/rooms/{room}/settings",
        b"{}",
        Origin="https://evil.example",
        Authorization=f"Bearer {permit(server, room)}",
    )
    assert (answer.status, answer.error["code"]) == (403, "forbidden_origin")
    api.close()


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "bad_json"),
        (b'{"delay":NaN}', 400, "bad_json"),
        (b'{"delay":-Infinity}', 400, "bad_json"),
        (b'{"title":"\\ud800"}', 400, "bad_json"),
        (b"[" * 4000, 400, "bad_json"),
        (b"[]", 400, "not_an_object"),
        (b'"title"', 400, "not_an_object"),
        (b'{"colour":"red"}', 400, "bad_field"),
        (b'{"settings":{}}', 400, "bad_field"),
        (b'{"delay":1e12}', 400, "bad_field"),
        (b'{"delay":"5"}', 400, "bad_field"),
        (b'{"slow_mode":1e3}', 400, "bad_field"),
        (b'{"slow_mode":-5}', 400, "bad_field"),
        (b'{"title":{"a":1}}', 400, "bad_field"),
        (b'{"video_url":"javascript:alert(1)"}', 400, "bad_field"),
        (b'{"video_url":"data:video/mp4;base64,AA"}', 400, "bad_field"),
        (b'{"video_url":"//example.org/a.mp4"}', 400, "bad_field"),
        (b'{"video_url":"https://e.org/a\\u0000b"}', 400, "bad_field"),
        (b'{"title":"' + b"a" * 81 + b'"}', 400, "bad_field"),
        (b'{"title":"' + b"a" * 9000 + b'"}', 413, "too_large"),
    ],
)
def test_what_cannot_be_set_is_refused_with_a_sentence_and_changes_nothing(
    server: ServerProcess, room: str, body: bytes, status: int, code: str
) -> None:
    choose(server, room, delay=3)
    answer = patch(server, room, body, permit(server, room))
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.error["message"].endswith(".")
    state = state_of(server, room)
    assert (state["seq"], state["settings"]) == (1, {"delay": 3})


def test_room_that_cannot_be_is_refused(server: ServerProcess, start_server: StartServer) -> None:
    assert patch(server, "No%20room", {}, permit(server, "No room")).error["code"] in (
        "bad_room",
        "not_allowed",
    )
    chosen = start_server("--rooms", "demo")
    answer = patch(chosen, "other", {"delay": 1}, permit(chosen, "other"))
    assert (answer.status, answer.error["code"]) == (404, "no_such_room")


# --- slow mode ------------------------------------------------------------------------------------


def test_slow_mode_counts_over_every_door_and_changes_at_once(
    server: ServerProcess, room: str
) -> None:
    choose(server, room, slow_mode=600)
    with Viewer(server, room) as viewer:
        assert viewer.say("one", ref="k1")["type"] == "ack"
        refused = viewer.say("two", ref="k2")
        assert (refused["type"], refused["ref"], refused["code"]) == ("reject", "k2", "slow_mode")
        assert 590 < refused["retry_after"] <= 600
        again = viewer.say("one", ref="k1")
        assert (again["type"], again["dup"]) == ("ack", True)
        session = viewer.welcome["session"]
        api = Api(server)
        answer = api.post_body(room, b'{"text":"hi"}', Authorization=f"Bearer {session}")
        assert (answer.status, answer.error["code"]) == (429, "slow_mode")
        assert 590 < int(answer.headers["Retry-After"]) <= 600
        assert api.post(room, "as somebody else").status == 201
        answer = api.post(room, "and from the same address")
        assert (answer.status, answer.error["code"]) == (429, "slow_mode")
        api.close()
        choose(server, room, slow_mode=0)
        assert viewer.say("two", ref="k2")["type"] == "ack"
        assert viewer.say("three")["type"] == "ack"


def test_retry_after_a_restart_is_a_duplicate_in_slow_mode_too(
    start_server: StartServer, room: str
) -> None:
    server = start_server()
    choose(server, room, slow_mode=600)
    with Viewer(server, room) as viewer:
        assert viewer.say("one", ref="k1")["seq"] == 2
        session = viewer.welcome["session"]
    server.restart()
    with Viewer(server, room) as viewer:
        viewer.send("auth", token=session)
        again = viewer.say("one", ref="k1")
        assert (again["seq"], again["dup"]) == (2, True)
        assert viewer.say("two", ref="k2")["code"] == "slow_mode"


# --- the command ----------------------------------------------------------------------------------


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def danmaku(*arguments: str, **environment: str) -> Done:
    """Run a command in this process: its start takes longer than all that it does."""
    with (
        contextlib.redirect_stdout(io.StringIO()) as output,
        contextlib.redirect_stderr(io.StringIO()) as errors,
    ):
        try:
            code = run_command(read_command(arguments, environment))
        except SystemExit as ended:
            code = ended.code
    return Done(code, output.getvalue(), errors.getvalue())


def test_command_is_the_programs(server: ServerProcess, room: str) -> None:
    command = [sys.executable, str(ROOT / "server.py"), *flags_of(server), "room", room]
    done = subprocess.run([*command, "--delay", "3"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{room}:\n  delay: 3 s\n", "")


def flags_of(server: ServerProcess) -> list[str]:
    return ["--port", str(server.port), "--database", f"sqlite:///{server.database}"]


def said_of(done: Done, code: int = 1) -> str:
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.startswith("danmaku: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_command_changes_and_shows_a_room_with_flags_before_and_after(
    server: ServerProcess, room: str
) -> None:
    flags = flags_of(server)
    done = danmaku("room", room, *flags)
    assert (done.returncode, done.stdout) == (0, f"{room} has no settings of its own.\n")
    done = danmaku(
        *flags, "room", room, "--title", "Friday film", "--video-url", FILM,
        "--delay", "4.5", "--slow-mode", "10",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    shown = (
        f"{room}:\n  title: Friday film\n  video-url: {FILM}\n  delay: 4.5 s\n  slow-mode: 10 s\n"
    )
    assert done.stdout == shown
    assert danmaku("room", room, *flags).stdout == shown
    done = danmaku("room", *flags, room, "--title", "", "--video-url=", "--delay", "0")
    assert done.stdout == f"{room}:\n  slow-mode: 10 s\n"
    variables = {
        "DANMAKU_PORT": str(server.port),
        "DANMAKU_DATABASE": f"sqlite:///{server.database}",
    }
    assert danmaku("room", room, "--slow-mode", "", **variables).returncode == 0
    assert state_of(server, room)["settings"] == {}


def test_command_says_in_a_sentence_what_is_wrong(
    server: ServerProcess, room: str, tmp_path: Path
) -> None:
    flags = flags_of(server)
    for option, part in (
        (["--video-url", "javascript:alert(1)"], "http or https"),
        (["--delay", "601"], "delay is more than 600"),
        (["--delay", "nan"], "delay must be a number"),
        (["--slow-mode", "2.5"], "slow_mode must be a whole number"),
        (["--title", "a" * 81], "longer than 80"),
    ):
        assert part in said_of(danmaku("room", room, *flags, *option))
    assert "room name" in said_of(danmaku("room", "No room", *flags, "--delay", "1"))
    other = danmaku("room", room, *flags, "--delay", "1", "--secret", "x" * 32)
    assert "another secret" in said_of(other)
    missing = ["--port", str(server.port), "--database", f"sqlite:///{tmp_path}/none.db"]
    assert "no secret" in said_of(danmaku("room", room, *missing, "--delay", "1"))
    assert list(tmp_path.iterdir()) == []  # none is made
    memory = ["--port", str(server.port), "--database", "sqlite://"]
    assert "--secret" in said_of(danmaku("room", room, *memory, "--delay", "1"))
    assert "--server" in said_of(danmaku("room", room, "--server", "localhost:8888"))
    assert "danmaku room --help" in said_of(danmaku("room", *flags), 2)
    assert "danmaku --help" in said_of(danmaku("room", room, "--dely", "1"), 2)


@pytest.fixture
def stranger() -> Iterator[int]:
    """Some web server that is not ours; its port."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<h1>hello</h1>")

        def log_message(self, *_: Any) -> None:
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield running.server_port
    running.shutdown()
    running.server_close()


def test_command_tells_a_stranger_and_silence_apart(stranger: int, start_server) -> None:
    said = said_of(danmaku("room", "demo", "--port", str(stranger)))
    assert "no danmaku server" in said
    gone = start_server()
    gone.stop()
    said = said_of(danmaku("room", "demo", *flags_of(gone), "--delay", "1"))
    assert f"No server answers at http://127.0.0.1:{gone.port}" in said


def test_command_speaks_https_and_trusts_its_own_certificate_alone(
    start_server: StartServer, room: str, tmp_path: Path
) -> None:
    authority, certificate = trustme.CA(), tmp_path / "server.pem"
    authority.issue_cert("danmaku.example.org").private_key_and_cert_chain_pem.write_to_path(
        str(certificate)
    )
    server = start_server("--certfile", str(certificate))
    flags = [*flags_of(server), "--certfile", str(certificate)]
    done = danmaku("room", room, *flags, "--title", "Friday")
    assert (done.returncode, done.stderr) == (0, "")
    there = f"https://127.0.0.1:{server.port}"
    assert "cannot be trusted" in said_of(danmaku("room", room, *flags, "--server", there))
    other = tmp_path / "other.pem"
    authority.issue_cert("other.example").private_key_and_cert_chain_pem.write_to_path(str(other))
    flags = [*flags_of(server), "--certfile", str(other)]
    assert "cannot be trusted" in said_of(danmaku("room", room, *flags, "--title", "Friday"))
    server.stop()
    assert len(server.take_log("TLSV1_ALERT_UNKNOWN_CA")) == 2
