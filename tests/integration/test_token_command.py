"""``danmaku token`` and the host's link of the first start."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.support.program import Done, danmaku
from tests.support.room_admin import secret_of
from tests.support.server_process import ROOT, ServerProcess
from tests.support.viewer import Viewer

SECRET = "correct horse battery staple wing"
HOST = ["token", "--secret", SECRET, "--room", "demo", "--role", "host", "--name", "Ann"]


def read_claims(done: Done, secret: str = SECRET) -> dict[str, Any]:
    assert (done.returncode, done.stderr) == (0, "")
    token, link = done.stdout.splitlines()
    assert link.endswith(f"#token={token}")
    return jwt.decode(token, secret, ["HS256"], audience="danmaku")


def test_command_prints_a_token_and_its_link() -> None:
    began = int(time.time())
    done = danmaku(*HOST, "--user", "ann", "--hours", "2")
    claims = read_claims(done)
    assert 7_200 <= claims.pop("exp") - began < 7_260
    who = {"aud": "danmaku", "sub": "ann", "name": "Ann", "role": "host", "room": "demo"}
    assert claims == who
    assert done.stdout.splitlines()[1].startswith("http://127.0.0.1:8888/r/demo#token=")
    claims = read_claims(danmaku(*HOST))
    assert (claims["sub"], round((claims["exp"] - began) / 3600)) == ("Ann", 12)


def test_link_leads_to_the_given_server_and_to_a_room_that_exists() -> None:
    for options, begin in (
        (["--server", "https://chat.example/danmaku/"], "https://chat.example/danmaku/r/demo#"),
        (["--base-path", "/danmaku", "--port", "9000"], "http://127.0.0.1:9000/danmaku/r/demo#"),
        (["--room", "*"], "http://127.0.0.1:8888/r/demo#"),
        (["--room", "*", "--rooms", "music,demo"], "http://127.0.0.1:8888/r/music#"),
    ):
        done = danmaku(*HOST, *options)
        read_claims(done)
        assert done.stdout.splitlines()[1].startswith(begin)


def test_token_of_the_command_signs_in_at_the_server(server: ServerProcess, room: str) -> None:
    command = ["token", "--database", f"sqlite:///{server.database}", "--room", room]
    done = danmaku(*command, "--role", "bot", "--name", "Now playing")
    read_claims(done, secret_of(server).decode())
    with Viewer(server, room) as viewer:
        viewer.send("auth", token=done.stdout.splitlines()[0])
        identity = viewer.wait_for("identity", "reject")
        assert (identity["user"], identity["role"]) == ("Now playing", "bot")


@pytest.mark.parametrize(
    ("options", "part", "code"),
    [
        (["--room", ""], "--room is required", 2),
        (["--role", ""], "--role is required", 2),
        (["--name", ""], "--name is required", 2),
        (["--room", "No room"], "room name", 1),
        (["--role", "king"], "viewer, moderator, host, bot", 1),
        (["--name", "\u200b"], "no visible characters", 1),
        (["--name", "x" * 25], "too long", 1),
        (["--name", "g-Ann"], "--user", 1),
        (["--user", "g-0123456789"], "--user", 1),
        (["--user", "x" * 65], "--user", 1),
        *((["--hours", wrong], "--hours", 1) for wrong in ("0", "-1", "nan", "soon", "1e9")),
        (["--user-id", "x"], "did you mean --user?", 2),
        (["--secret", "", "--database", "sqlite://"], "--secret", 1),
    ],
)
def test_command_prints_one_sentence_for_each_error(
    options: list[str], part: str, code: int
) -> None:
    done = danmaku(*HOST, *options)
    assert (done.returncode, done.stdout) == (code, "")
    assert part in done.stderr
    assert done.stderr.count("\n") == 1


# --- the first start ------------------------------------------------------------------------------


def read_greeting(database: str) -> tuple[str, str]:
    """Start a server at a terminal, and return what it shows there and what it logs."""
    terminal, other_end = pty.openpty()
    command = [sys.executable, str(ROOT / "server.py"), "--port", "0", "--database", database]
    shown = b""
    with subprocess.Popen(command, stdout=other_end, stderr=subprocess.PIPE) as process:
        os.close(other_end)
        while b"Ctrl-C" not in shown:
            shown += os.read(terminal, 4_096)
        process.terminate()
        try:
            while more := os.read(terminal, 4_096):
                shown += more
        except OSError:
            pass  # the terminal's other end is closed
        assert process.stderr is not None
        log = process.stderr.read()
    os.close(terminal)
    return shown.decode(), log.decode()


def test_first_start_shows_a_hosts_link_at_a_terminal_and_logs_none(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/danmaku.db"
    shown, log = read_greeting(database)
    found = re.search(r"http://127\.0\.0\.1:\d+/r/demo#token=(\S+)", shown)
    assert found
    secret = (tmp_path / "danmaku.db.secret").read_text().strip()
    claims = jwt.decode(found[1], secret, ["HS256"], audience="danmaku")
    assert (claims["role"], claims["room"]) == ("host", "demo")
    assert "token" not in log
    again, _ = read_greeting(database)
    assert "#token" not in again
    in_memory, _ = read_greeting("sqlite://")
    assert "#token" in in_memory


def test_start_without_a_terminal_prints_no_link(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server()
    assert server.stop() == 0
    assert "token" not in "\n".join([*server.read_output(), *server.log])
