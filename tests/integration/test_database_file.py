"""The database's file: one server at a time, and nothing acked that is not in it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from chat.core.handshake import PREFIX
from tests.support.api import Answer, Api
from tests.support.in_process_server import UPGRADE
from tests.support.program import run_program, sentence_of
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]
NOTICE_SECONDS = 2.0  # a second is promised; the machine may be busy


def wait_until(is_so: Callable[[], bool], seconds: float = NOTICE_SECONDS) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def write(server: ServerProcess, statement: str) -> None:
    with closing(sqlite3.connect(server.database)) as other, other:
        other.execute(statement)


def back_up(server: ServerProcess, target: Path) -> None:
    ended = run_program("backup", str(target), "--database", f"sqlite:///{server.database}")
    assert ended.returncode == 0, ended.stderr


# --- one server at a time -------------------------------------------------------------------------


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symlink", "hard_link"])
def test_second_server_on_a_link_to_the_file_is_one_sentence_and_exit_1(
    server: ServerProcess, tmp_path: Path, link: Callable[..., None]
) -> None:
    other = tmp_path / "other.db"
    link(server.database, other)
    ended = run_program("--port", "0", "--database", f"sqlite:///{other}")
    assert ended.returncode == 1
    assert "in use by another server" in sentence_of(ended)
    assert list(tmp_path.iterdir()) == [other]


def test_lock_does_not_depend_on_a_separate_file(
    start_server: StartServer,
) -> None:
    server = start_server()
    beside = {file.name for file in server.database.parent.iterdir()}
    name = server.database.name
    assert beside == {name, *(name + end for end in ("-wal", "-shm", ".secret"))}


# --- the file is taken away while the server runs -------------------------------------------------


def move_away(database: Path) -> None:
    database.rename(database.with_name("away.db"))


def replace(database: Path) -> None:
    other = database.with_name("other.db")
    with closing(sqlite3.connect(other)) as empty:
        empty.execute("VACUUM")
    other.rename(database)


def overwrite_with_backup(database: Path) -> None:
    shutil.copyfile(database.with_name("backup.db"), database)


def remove_log(database: Path) -> None:
    Path(f"{database}-wal").unlink()


@pytest.mark.parametrize(
    "take", [move_away, Path.unlink, replace, overwrite_with_backup, remove_log]
)
def test_database_that_is_moved_or_replaced_is_noticed_and_nothing_more_is_acked(
    start_server: StartServer, room: str, take: Callable[[Path], None]
) -> None:
    server = start_server("--post-rate", "0")
    viewer, api = Viewer(server, room), Api(server)
    viewer.post("before")
    back_up(server, server.database.with_name("backup.db"))
    viewer.post("also before")
    assert api.get("/readyz").status == 200
    take(server.database)
    # A post at once is not acked, and without any post it is noticed.
    assert refused(api.post(room, "after"))
    wait_until(lambda: api.get("/readyz").status == 503)
    assert api.get("/readyz").error["code"] == "not_kept"
    assert refused(api.post(room, "after"))
    assert api.get("/healthz").status == 200
    with Viewer(server, room) as other:  # watching goes on
        assert [entry["text"] for entry in other.welcome["entries"]] == ["before", "also before"]
    time.sleep(1.2)  # long enough for a line a second to be seen
    viewer.close()
    assert server.stop() == 0
    (line,) = server.take_log("nothing can be stored")
    assert "CRITICAL" in line


def refused(answer: Answer) -> bool:
    return (answer.status, answer.json.get("error", {}).get("code")) == (503, "not_kept")


def test_missing_database_file_is_detected_without_a_post(
    start_server: StartServer,
) -> None:
    server = start_server()
    move_away(server.database)
    wait_until(lambda: Api(server).get("/readyz").status == 503)
    server.take_log("nothing can be stored")


def test_moved_database_has_all_acked_entries_and_works_again_when_moved_back(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0")
    api = Api(server)
    for number in range(20):
        assert api.post(room, f"{number}").status == 201
    away = server.database.with_name("away.db")
    server.database.rename(away)
    assert refused(api.post(room, "unkept", ref="k1"))
    away.rename(server.database)
    wait_until(lambda: api.get("/readyz").status == 200)
    assert api.post(room, "20").status == 201
    server.database.rename(away)
    wait_until(lambda: api.get("/readyz").status == 503)
    server.take_log("nothing can be stored")
    assert server.stop() == 0
    with closing(sqlite3.connect(away)) as archive:
        found = archive.execute("SELECT json_extract(body, '$.text') FROM entries ORDER BY seq")
        texts = [text for (text,) in found]
    assert [text for text in texts if text != "unkept"] == [f"{number}" for number in range(21)]


@pytest.mark.parametrize("ends", [ServerProcess.stop, ServerProcess.kill])
def test_restart_after_a_copy_was_written_over_the_database_is_not_silent(
    start_server: StartServer, room: str, ends: Callable[[ServerProcess], object]
) -> None:
    server = start_server("--post-rate", "0")
    api = Api(server)
    api.post(room, "in the copy")
    back_up(server, server.database.with_name("backup.db"))
    api.post(room, "acked and lost")
    overwrite_with_backup(server.database)
    wait_until(lambda: api.get("/readyz").status == 503)
    server.take_log("nothing can be stored")
    ends(server)
    log = Path(f"{server.database}-wal")
    ended = run_program("--port", "0", "--database", f"sqlite:///{server.database}")
    assert ended.returncode == 1
    assert f"{log} belongs to another database" in sentence_of(ended)
    # The log line names the remedy.
    log.unlink()
    server.start()
    assert [entry["text"] for entry in Api(server).entries(room).json["entries"]] == ["in the copy"]


def test_crash_is_no_replacement(start_server: StartServer, room: str) -> None:
    server = start_server("--post-rate", "0")
    for life in range(3):
        for number in range(3):
            assert Api(server).post(room, f"{life} {number}").status == 201
        server.kill()
        server.start()
    assert Api(server).entries(room).json["head"] == 9


# --- what is refused at the start -----------------------------------------------------------------


def refuse(database: Path) -> str:
    before = {file: file.read_bytes() for file in database.parent.iterdir() if file.is_file()}
    ended = run_program("--port", "0", "--database", f"sqlite:///{database}")
    assert ended.returncode == 1
    after = {file: file.read_bytes() for file in database.parent.iterdir() if file.is_file()}
    assert after == before, "it wrote something"
    return sentence_of(ended)


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_database_of_another_program_is_refused_and_left_as_it_is(
    tmp_path: Path, mode: str
) -> None:
    database = tmp_path / "notes.db"
    with closing(sqlite3.connect(database)) as other, other:
        other.execute(f"PRAGMA journal_mode={mode}")
        other.execute("CREATE TABLE notes (text)")
    assert "another program" in refuse(database)


def test_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "list.txt"
    database.write_text("shopping list\n" * 500)
    assert "not a database" in refuse(database)


def test_device_and_folder_are_refused_and_no_file_is_left_beside_them(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    for name in ("folder", "fifo"):
        assert "not a regular file" in refuse(tmp_path / name)
    before = set(Path("/dev").iterdir())
    ended = run_program("--port", "0", "--database", "sqlite:////dev/null")
    assert (ended.returncode, "not a regular file" in sentence_of(ended)) == (1, True)
    assert {path.name for path in set(Path("/dev").iterdir()) - before} == set()


def test_database_whose_secret_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    database = tmp_path / "danmaku.db"
    (tmp_path / "danmaku.db.secret.partial").mkdir()
    assert "secret" in refuse(database)


def test_damaged_database_is_one_sentence_and_exit_1(start_server: StartServer, room: str) -> None:
    server = start_server("--post-rate", "0")
    with Viewer(server, room) as viewer:
        viewer.post_many(["x" * 90] * 300)
    server.stop()
    whole = server.database.read_bytes()
    for first, last in ((8_192, 24_576), (100, 4_096), (len(whole) // 2, len(whole))):
        damaged = bytearray(whole)
        damaged[first:last] = b"\xa5" * (last - first)
        server.database.write_bytes(damaged)
        assert str(server.database) in refuse(server.database)
    server.database.write_bytes(whole[: len(whole) // 2])
    assert str(server.database) in refuse(server.database)
    server.database.write_bytes(whole)


# --- who may read it ------------------------------------------------------------------------------


def test_files_of_the_database_are_for_their_owner_alone(start_server: StartServer) -> None:
    server = start_server()
    name = server.database.name
    for file in (name, f"{name}-wal", f"{name}-shm", f"{name}.secret"):
        found = server.database.with_name(file).stat()
        assert stat.S_IMODE(found.st_mode) == 0o600, file


@pytest.mark.parametrize("file", ["danmaku-0.db", "danmaku-0.db.secret"])
def test_world_readable_file_is_logged_as_a_warning(start_server: StartServer, file: str) -> None:
    server = start_server()
    server.stop()
    server.database.with_name(file).chmod(0o644)
    server.start()
    (line,) = server.take_log("can be read by every user")
    assert file in line


# --- other processes ------------------------------------------------------------------------------


def test_open_read_transaction_is_logged_and_the_write_ahead_log_shrinks_afterwards(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0", "--delivery-rate", "0")
    log = Path(f"{server.database}-wal")
    api = Api(server)

    def read_gauge() -> float:
        name = "danmaku_write_ahead_log_bytes "
        lines = api.get("/metrics").body.decode().splitlines()
        return float(next(line for line in lines if line.startswith(name)).split()[1])

    with closing(sqlite3.connect(server.database)) as reader, Viewer(server, room) as viewer:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchone()
        viewer.post("a comment")
        write(server, "CREATE TABLE many AS SELECT randomblob(20000000)")  # as long as many are
        wait_until(lambda: read_gauge() > 16 << 20, 10)
        (line,) = server.take_log("write-ahead log .* has grown to")
        assert "another program holds a transaction open" in line
        viewer.post("another")
        reader.execute("COMMIT")
        wait_until(lambda: log.stat().st_size <= 8 << 20, 10)
        wait_until(lambda: read_gauge() <= 8 << 20, 10)
    server.take_log("write-ahead log .* has shrunk")


def ask_for_room(server: ServerProcess, room: str) -> socket.socket:
    """Send an upgrade to a room that has to be opened first; wait for nothing."""
    peer = socket.create_connection(("127.0.0.1", server.port))
    peer.sendall(UPGRADE.format(target=f"{PREFIX}{room}", host="x", more="").encode())
    return peer


@pytest.mark.parametrize("is_let_go", [True, False])
def test_shutdown_with_the_database_locked_is_clean_and_takes_at_most_5_seconds(
    start_server: StartServer, room: str, is_let_go: bool
) -> None:
    server = start_server("--post-rate", "0")
    with closing(sqlite3.connect(server.database, isolation_level=None)) as other:
        viewer = Viewer(server, room)
        other.execute("BEGIN IMMEDIATE")
        viewer.send("post", text="accepted", ref="k1")
        opening = [ask_for_room(server, f"{room}-{number}") for number in range(20)]
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        if is_let_go:
            time.sleep(0.3)
            other.execute("COMMIT")
        answer = viewer.wait_for("ack", "reject")
        assert viewer.wait_for("bye")["code"] == 1012
        assert server.wait() == 0
        assert time.monotonic() - began < 5
        for peer in opening:
            peer.close()
    assert answer["type"] == ("ack" if is_let_go else "reject")
    assert is_let_go or server.take_log("the archive failed: .*locked")
    server.start()
    texts = [entry["text"] for entry in Api(server).entries(room).json["entries"]]
    assert texts == (["accepted"] if is_let_go else [])


# --- copies ---------------------------------------------------------------------------------------


def test_backup_that_cannot_be_written_is_one_sentence_and_exit_1(
    server: ServerProcess, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    for target in (
        tmp_path / "missing" / "copy.db",
        tmp_path / "file" / "copy.db",
        tmp_path / ("x" * 300),
        Path("/proc/copy.db"),
    ):
        ended = run_program("backup", str(target), "--database", f"sqlite:///{server.database}")
        assert ended.returncode == 1
        assert "cannot be copied" in sentence_of(ended)
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_backup_of_a_database_in_memory_fails_with_the_reason(tmp_path: Path) -> None:
    ended = run_program("backup", str(tmp_path / "copy.db"), "--database", "sqlite://")
    assert ended.returncode == 2
    assert "in memory" in sentence_of(ended)
