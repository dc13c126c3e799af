"""Runs the program until it ends: its exit code and its output."""

from __future__ import annotations

import os
import subprocess
import sys

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
