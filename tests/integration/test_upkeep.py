"""Trimming, an archive that cannot be read, and backups."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.api import Api
from tests.support.server_process import ROOT, ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]
DAY_MS = 86_400_000


def post_texts(server: ServerProcess, room: str, count: int) -> None:
    api = Api(server)
    for number in range(count):
        assert api.post(room, f"text {number}").status == 201
    api.close()


def test_comments_older_than_keep_days_are_trimmed_and_cursors_before_them_are_rejected(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0")
    post_texts(server, room, 5)
    server.stop()
    with sqlite3.connect(server.database) as archive:
        old = time.time_ns() // 1_000_000 - 8 * DAY_MS
        archive.execute("UPDATE entries SET at = ? WHERE seq <= 3", (old,))
    archive.close()
    server.flags = ("--keep-days", "7")
    server.start()
    api = Api(server)
    epoch = api.entries(room).json["epoch"]
    # The room may be open before the archive is trimmed.
    end = time.monotonic() + 10
    while (page := api.entries(room, after=f"{epoch}:1").json)["recovered"]:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert (page["reason"], page["head"]) == ("trimmed", 5)
    assert [entry["seq"] for entry in page["entries"]] == [4, 5]
    with Viewer(server, room, cursor=f"{epoch}:1", history=10) as viewer:
        welcome = viewer.welcome
        assert (welcome["recovered"], welcome["reason"], welcome["seq"]) == (False, "trimmed", 5)
        assert viewer.post("next")["seq"] == 6


def set_readable(server: ServerProcess, is_readable: bool) -> None:
    """Take the entries from under a running server, or give them back."""
    names = ("hidden", "entries") if is_readable else ("entries", "hidden")
    with contextlib.closing(sqlite3.connect(server.database)) as archive:
        archive.execute("ALTER TABLE {} RENAME TO {}".format(*names))


def test_entries_that_cannot_be_read_are_not_reported_as_lost(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0")
    post_texts(server, room, 5)
    server.stop()
    with contextlib.closing(sqlite3.connect(server.database)) as archive, archive:
        # As trimmed: the room opens with two in memory, and looks for what came before.
        archive.execute("DELETE FROM entries WHERE seq <= 3")
    server.start()
    api = Api(server)
    epoch = api.entries(room).json["epoch"]
    set_readable(server, False)
    refused = api.entries(room, after=f"{epoch}:2")
    assert refused.status == 503
    assert (refused.error["code"], refused.error["retry_after"]) == ("not_read", 1.0)
    with Viewer(server, room, cursor=f"{epoch}:2") as viewer:
        bye = viewer.first
        assert (bye["type"], bye["code"]) == ("bye", 4010)
        assert bye["reconnect_after"] >= 1
    set_readable(server, True)
    with Viewer(server, room, cursor=f"{epoch}:2") as viewer:
        assert viewer.welcome["reason"] == "trimmed"  # now it is known that they are gone
    server.take_log("the archive failed: .*no such table")


def back_up(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "server.py"), "backup", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_backup_of_a_running_server_is_served_with_a_new_epoch(
    start_server: StartServer, room: str, tmp_path: Path
) -> None:
    server = start_server("--post-rate", "0")
    post_texts(server, room, 3)
    target = tmp_path / "friday.db"
    done = back_up(str(target), "--database", f"sqlite:///{server.database}")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(target) in done.stdout
    post_texts(server, room, 1)
    copy = start_server(database=target)
    original, restored = Api(server).entries(room).json, Api(copy).entries(room).json
    assert restored["entries"] == original["entries"][:3]
    assert restored["epoch"] != original["epoch"]
    lost = Api(copy).entries(room, after=f"{original['epoch']}:4").json
    assert (lost["recovered"], lost["reason"]) == (False, "epoch")


def test_failed_backup_prints_one_sentence_and_exits_with_1_or_2(tmp_path: Path) -> None:
    missing = back_up(str(tmp_path / "a.db"), "--database", f"sqlite:///{tmp_path}/none.db")
    assert missing.returncode == 1
    assert "no database" in missing.stderr
    for arguments in ([], ["--database", "sqlite:///x.db"]):
        unclear = back_up(*arguments)
        assert unclear.returncode == 2
        assert "danmaku backup FILE" in unclear.stderr
    assert list(tmp_path.iterdir()) == []
