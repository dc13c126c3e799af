"""Runs the program or one of its commands until it ends: its exit code and its output."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from typing import NamedTuple

from chat.command_line import read_command
from chat.commands import run_command
from tests.support.server_process import ROOT


def run_program(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        [sys.executable, str(ROOT / "server.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        env={**os.environ, **environment},
        check=False,
    )


def sentence_of(ended: subprocess.CompletedProcess[str]) -> str:
    """Return the one sentence on stderr with which a program exited."""
    assert ended.stdout == ""
    assert ended.stderr.startswith("danmaku: ")
    assert ended.stderr.endswith(".\n")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


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
