"""The programs of docs/identity.md sign tokens that the server accepts."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.support.server_process import ROOT, ServerProcess
from tests.support.viewer import Viewer

SECRET = "correct horse battery staple wing"
PAGE = (ROOT / "docs" / "identity.md").read_text()
INTERPRETERS = {
    "python": [sys.executable, "-c"],
    "js": ["node", "--input-type=module", "--eval"],
    "php": ["php", "-r"],
}


def program_of(language: str) -> str:
    (program,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return program.removeprefix("<?php\n")


def run(command: list[str]) -> str:
    environment = {**os.environ, "DANMAKU_SECRET": SECRET}
    environment["PATH"] = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"
    if shutil.which(command[0], path=environment["PATH"]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    running = ServerProcess(tmp_path_factory.mktemp("server") / "danmaku.db", "--secret", SECRET)
    yield running.start()
    running.close()


@pytest.mark.parametrize("language", INTERPRETERS)
def test_program_signs_a_token_that_the_server_accepts(
    server: ServerProcess, language: str
) -> None:
    token = run([*INTERPRETERS[language], program_of(language)])
    with Viewer(server, "demo") as viewer:
        viewer.send("auth", token=token)
        identity = viewer.wait_for("identity", "reject")
        assert identity == {
            "type": "identity",
            "user": "user-42",
            "name": "Ann",
            "role": "moderator",
        }


def test_command_prints_the_fingerprint_of_a_secret() -> None:
    (command,) = re.findall(r"^\$ (printf .*)$", PAGE, re.MULTILINE)
    assert run(["sh", "-c", command]) == hashlib.sha256(SECRET.encode()).hexdigest()[:16]
