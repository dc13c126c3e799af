"""Retractions, forgetting and backups as viewers and operators meet them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat.core.retraction import Retraction
from chat.core.wire import Ack
from tests.integration.test_sessions import ask, join, post_over_http
from tests.serving import ROOT, ServerProcess
from tests.support.hub_harness import enter, open_hub, poll, post, run

StartServer = Callable[..., ServerProcess]
DAY_MS = 86_400_000


def read_page(server: ServerProcess, room: str, query: str = "") -> dict[str, Any]:
    with urllib.request.urlopen(f"{server.url}/api/rooms/{room}/entries?{query}") as answer:
        return json.load(answer)


def test_retracted_text_is_in_no_history_and_no_page() -> None:
    async def steps() -> None:
        async with open_hub(post_rate=0) as hub:
            room = await enter(hub, "demo")
            for text in ("decent", "nasty", "fine"):
                await post(hub, room, text)
            waiting = asyncio.ensure_future(poll(hub, room, 3, wait=10))
            await hub._journal.append("demo", Retraction(seq=0, target=2, at=1), None)
            assert json.loads(bytes((await waiting).entries)) == [
                {"kind": "retract", "seq": 4, "target": 2, "at": 1}
            ]
            for _ in range(2):
                entries = json.loads(bytes((await poll(hub, room, 0)).entries))
                assert [entry.get("text") for entry in entries] == ["decent", None, "fine", None]
                hub.release_rooms(float("inf"))  # and from the archive
                room = await enter(hub, "demo")

    run(steps)


def test_comments_older_than_keep_days_are_forgotten_and_who_wanted_them_is_told(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0")
    for number in range(5):
        post_over_http(server, room, None, text=f"text {number}")
    server.stop()
    with sqlite3.connect(server.database) as archive:
        old = time.time_ns() // 1_000_000 - 8 * DAY_MS
        archive.execute("UPDATE entries SET at = ? WHERE seq <= 3", (old,))
    archive.close()
    server.flags = ("--keep-days", "7")
    server.start()
    epoch = read_page(server, room)["epoch"]
    # Also where the room was room before the archive was trimmed.
    end = time.monotonic() + 10
    while (page := read_page(server, room, f"after={epoch}:1"))["recovered"]:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert (page["reason"], page["head"]) == ("trimmed", 5)
    assert [entry["seq"] for entry in page["entries"]] == [4, 5]
    socket, welcome = join(server, room, f"cursor={epoch}:1&history=10")
    assert (welcome["recovered"], welcome["reason"], welcome["seq"]) == (False, "trimmed", 5)
    assert ask(socket, "ack", type="post", ref="k1", text="next")["seq"] == 6
    socket.close()


def test_open_room_forgets_with_the_archive_and_says_so_at_every_door() -> None:
    async def steps() -> None:
        async with open_hub(post_rate=0) as hub:
            room = await enter(hub, "demo")
            for text in ("old", "older"):
                await post(hub, room, text)
            assert len(json.loads(bytes(room.recent_json(50)))) == 2
            assert await hub._journal.trim(time.time_ns()) == 2
            assert json.loads(bytes(room.recent_json(50))) == []
            assert await post(hub, room, "young") == Ack(None, room.epoch, 3)
            for seq in (0, 1):
                page = await poll(hub, room, seq)
                assert (page.recovered, page.reason, page.head) == (False, "trimmed", 3)
                assert [entry["text"] for entry in json.loads(bytes(page.entries))] == ["young"]
            assert (await poll(hub, room, 2)).recovered

    run(steps)


def set_readable(server: ServerProcess, is_readable: bool) -> None:
    """Take the entries from under a running server, or give them back."""
    names = ("hidden", "entries") if is_readable else ("entries", "hidden")
    with contextlib.closing(sqlite3.connect(server.database)) as archive:
        archive.execute("ALTER TABLE {} RENAME TO {}".format(*names))


def test_what_cannot_be_read_is_not_told_to_be_gone(start_server: StartServer, room: str) -> None:
    server = start_server("--post-rate", "0")
    for number in range(5):
        post_over_http(server, room, None, text=f"text {number}")
    server.stop()
    with contextlib.closing(sqlite3.connect(server.database)) as archive, archive:
        # As trimmed: the room opens with two in memory, and looks for what came before.
        archive.execute("DELETE FROM entries WHERE seq <= 3")
    server.start()
    epoch = read_page(server, room)["epoch"]
    set_readable(server, False)
    with pytest.raises(urllib.error.HTTPError) as refused:
        read_page(server, room, f"after={epoch}:2")
    assert refused.value.code == 503
    error = json.load(refused.value)["error"]
    assert (error["code"], error["retry_after"]) == ("not_read", 1.0)
    socket, bye = join(server, room, f"cursor={epoch}:2")
    assert (bye["type"], bye["code"]) == ("bye", 4010)
    assert bye["reconnect_after"] >= 1
    socket.close()
    set_readable(server, True)
    socket, welcome = join(server, room, f"cursor={epoch}:2")
    socket.close()
    assert (welcome["type"], welcome["reason"]) == ("welcome", "trimmed")  # now it is known to be
    assert server.take_log("the archive failed: .*no such table")


def back_up(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "server.py"), "backup", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_backup_is_taken_while_the_server_runs_and_is_a_new_epoch_when_served(
    start_server: StartServer, room: str, tmp_path: Path
) -> None:
    server = start_server("--post-rate", "0")
    for number in range(3):
        post_over_http(server, room, None, text=f"text {number}")
    target = tmp_path / "friday.db"
    done = back_up(str(target), "--database", f"sqlite:///{server.database}")
    assert (done.returncode, done.stderr) == (0, "")
    assert str(target) in done.stdout
    post_over_http(server, room, None, text="after the backup")
    copy = start_server(database=target)
    original, restored = read_page(server, room), read_page(copy, room)
    assert restored["entries"] == original["entries"][:3]
    assert restored["epoch"] != original["epoch"]
    lost = read_page(copy, room, f"after={original['epoch']}:4")
    assert (lost["recovered"], lost["reason"]) == (False, "epoch")


def test_backup_that_cannot_be_made_is_one_sentence_and_an_exit_code(tmp_path: Path) -> None:
    missing = back_up(str(tmp_path / "a.db"), "--database", f"sqlite:///{tmp_path}/none.db")
    assert missing.returncode == 1
    assert "no database" in missing.stderr
    for arguments in ([], ["--database", "sqlite:///x.db"]):
        unclear = back_up(*arguments)
        assert unclear.returncode == 2
        assert "danmaku backup FILE" in unclear.stderr
    assert list(tmp_path.iterdir()) == []
