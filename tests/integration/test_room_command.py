"""``danmaku room``: a room's settings shown and changed from the command line."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.support.api import state_of
from tests.support.program import Done, danmaku
from tests.support.server_process import ROOT, ServerProcess

StartServer = Callable[..., ServerProcess]
FILM = "https://example.org/film.mp4"


def test_room_command_runs_from_the_program(server: ServerProcess, room: str) -> None:
    command = [sys.executable, str(ROOT / "server.py"), *flags_of(server), "room", room]
    done = subprocess.run([*command, "--delay", "3"], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{room}:\n  delay: 3 s\n", "")


def flags_of(server: ServerProcess) -> list[str]:
    return ["--port", str(server.port), "--database", f"sqlite:///{server.database}"]


def stderr_of(done: Done, code: int = 1) -> str:
    assert (done.returncode, done.stdout) == (code, ""), done
    assert done.stderr.startswith("danmaku: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_command_changes_and_shows_a_room_with_flags_before_and_after(
    server: ServerProcess, room: str
) -> None:
    flags = flags_of(server)
    done = danmaku("room", room, *flags)
    assert (done.returncode, done.stdout) == (0, f"{room} has no settings.\n")
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


def test_command_sets_the_rules_of_a_room(server: ServerProcess, room: str) -> None:
    rules = ["--who-may-post", "signed_in", "--links", "reject"]
    done = danmaku(
        "room", room, *flags_of(server), *rules, "--max-length", "50", "--unique-seconds", "30"
    )
    assert done.stderr == ""
    assert state_of(server, room)["settings"] == {
        "who_may_post": "signed_in",
        "links": "reject",
        "max_length": 50,
        "unique_seconds": 30,
    }
    assert "unique-seconds: 30 s\n  links: reject\n  max-length: 50\n" in done.stdout


def test_command_prints_one_sentence_for_each_error(
    server: ServerProcess, room: str, tmp_path: Path
) -> None:
    flags = flags_of(server)
    for option, part in (
        (["--video-url", "javascript:alert(1)"], "http or https"),
        (["--video-url", "https://a:b@example.org/x"], "must not contain a user name or password"),
        (["--delay", "601"], "delay must be a number from 0 to 600"),
        (["--delay", "1e3"], "delay must be a number from 0 to 600"),
        (["--delay", "nan"], "delay must be a number"),
        (["--slow-mode", "2.5"], "slow_mode must be a whole number"),
        (["--title", "a" * 81], "longer than 80"),
        (["--who-may-post", "nobody"], "who_may_post"),
        (["--max-length", "101"], "max_length"),
    ):
        assert part in stderr_of(danmaku("room", room, *flags, *option))
    for name in ("No room", ""):
        for option in ([], ["--delay", "1"]):
            assert "room name" in stderr_of(danmaku("room", name, *flags, *option))
    junk = danmaku("room", room, *flags, "--delay", "1", "--certfile", __file__)
    assert f"{__file__} contains no certificate" in stderr_of(junk)
    other = danmaku("room", room, *flags, "--delay", "1", "--secret", "x" * 32)
    assert "different secret" in stderr_of(other)
    missing = ["--port", str(server.port), "--database", f"sqlite:///{tmp_path}/none.db"]
    assert "no secret" in stderr_of(danmaku("room", room, *missing, "--delay", "1"))
    assert list(tmp_path.iterdir()) == []  # none is made
    memory = ["--port", str(server.port), "--database", "sqlite://"]
    assert "--secret" in stderr_of(danmaku("room", room, *memory, "--delay", "1"))
    assert "--server" in stderr_of(danmaku("room", room, "--server", "localhost:8888"))
    assert "danmaku room --help" in stderr_of(danmaku("room", *flags), 2)
    assert "did you mean --delay?" in stderr_of(danmaku("room", room, "--dely", "1"), 2)


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


def test_command_distinguishes_another_web_server_from_no_server(
    stranger: int, start_server
) -> None:
    stderr = stderr_of(danmaku("room", "demo", "--port", str(stranger)))
    assert "is not a danmaku server" in stderr
    gone = start_server()
    gone.stop()
    stderr = stderr_of(danmaku("room", "demo", *flags_of(gone), "--delay", "1"))
    assert f"No server answers at http://127.0.0.1:{gone.port}" in stderr


def test_command_uses_https_and_trusts_only_the_servers_certificate(
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
    assert "Cannot verify" in stderr_of(danmaku("room", room, *flags, "--server", there))
    other = tmp_path / "other.pem"
    authority.issue_cert("other.example").private_key_and_cert_chain_pem.write_to_path(str(other))
    flags = [*flags_of(server), "--certfile", str(other)]
    assert "Cannot verify" in stderr_of(danmaku("room", room, *flags, "--title", "Friday"))
    server.stop()
    server.take_log("TLSV1_ALERT_UNKNOWN_CA")  # one line a second of a kind
