"""The systemd unit of docs/operations.md, judged by systemd itself; no service is started."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.reverse_proxy import read_blocks

ANALYZE = shutil.which("systemd-analyze")
# On systemd's scale, from 0 to 10, "OK" is below 4; a unit without restrictions has 9.6.
MOST_EXPOSED = 2.0

pytestmark = pytest.mark.skipif(ANALYZE is None, reason="systemd is not installed")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The documented unit, with a program that there is on this machine."""
    (documented,) = read_blocks("operations.md", "ini")
    program = "/opt/danmaku/bin/danmaku"
    assert program in documented
    file = tmp_path / "danmaku.service"
    file.write_text(documented.replace(program, sys.executable))
    return file


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert ANALYZE
    command = [ANALYZE, "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_systemd_finds_no_mistake_in_the_unit(unit: Path) -> None:
    verified = analyze("verify", "--man=no", "--recursive-errors=no", str(unit))
    assert (verified.returncode, verified.stderr) == (0, "")


def test_unit_leaves_the_service_few_rights(unit: Path) -> None:
    threshold = f"--threshold={round(MOST_EXPOSED * 10)}"
    judged = analyze("security", "--offline=yes", threshold, str(unit))
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "Overall exposure level" in judged.stdout
