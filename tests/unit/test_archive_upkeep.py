"""Maintenance of the archive: trimming, removal of texts, copies, migrations."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chat.archive.schema
from chat.archive import Archive, ArchiveError, UnsavedEntry
from chat.archive.file import copy_database
from chat.archive.migration import upgrade
from chat.core.comment import Comment
from chat.core.retraction import Retraction
from chat.core.room_settings import RoomSettings, SettingsChange

OpenArchive = Callable[..., Archive]
OLD, NEW = 1_000, 9_000
CHECKPOINTS = 100


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "danmaku.db"


@pytest.fixture
def open_archive(path: Path) -> Iterator[OpenArchive]:
    opened = []

    def open_one(file: Path = path) -> Archive:
        opened.append(Archive(f"sqlite:///{file}"))
        return opened[-1]

    yield open_one
    for archive in opened:
        archive.close()


def draft(room_id: int, text: str = "hi", at: int = OLD, ref: str | None = None) -> UnsavedEntry:
    return UnsavedEntry(room_id, Comment(seq=0, user="g-1", name="Owl", text=text, at=at), ref)


def seqs(archive: Archive, room_id: int) -> list[int]:
    return [seq for seq, _ in archive.read(room_id, 0, 100_000)]


def bytes_of(path: Path) -> bytes:
    """Everything that the database has on the disk, its log included."""
    return b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))


# --- trimming -------------------------------------------------------------------------------------


def test_old_entries_are_found_from_the_oldest_on_and_in_steps(open_archive: OpenArchive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1").room_id
    archive.append([draft(demo, at=at) for at in (OLD, OLD, OLD, NEW, OLD)])
    # The clock was set back before the last one: its order counts, not its time.
    assert archive.find_old(demo, 5_000, 100, NEW) == (3, 3)
    assert archive.find_old(demo, 5_000, 2, NEW) == (2, 2)
    assert archive.find_old(demo, OLD, 100, NEW) == (0, 0)


def test_entry_from_the_future_is_as_old_as_those_after_it(open_archive: OpenArchive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1").room_id
    archive.append([draft(demo, at=at) for at in (NEW + 1, OLD, NEW + 1, NEW + 1, OLD, NEW + 1)])
    assert archive.find_old(demo, 5_000, 100, NEW) == (5, 5)
    archive.append([draft(demo, at=NEW)])
    assert archive.find_old(demo, 5_000, 100, NEW) == (5, 5)


def test_many_entries_from_the_future_are_found_in_steps(open_archive: OpenArchive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1").room_id
    archive.append([draft(demo, at=NEW + 1) for _ in range(10)])
    assert archive.find_old(demo, 5_000, 4, NEW) == (0, 0)
    archive.append([draft(demo, at=OLD), draft(demo, at=NEW)])
    while (found := archive.find_old(demo, 5_000, 4, NEW)) != (0, 0):
        archive.trim(demo, found[0])
    assert seqs(archive, demo) == [12]


def test_trimmed_room_keeps_its_head_and_epoch_over_a_restart(open_archive: OpenArchive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1").room_id
    archive.append([draft(demo) for _ in range(5)])
    archive.trim(demo, 5)
    assert seqs(archive, demo) == []
    archive.close()
    archive = open_archive()
    again = archive.load_or_create_room("demo", "another")
    assert (again.epoch, again.head) == ("e1", 5)
    assert archive.append([draft(demo)])[0].seq == 6


# --- retracted texts ------------------------------------------------------------------------------


def test_retraction_overwrites_its_target_and_nothing_else(open_archive: OpenArchive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1").room_id
    archive.append([draft(demo, text) for text in ("a", "b", "c")])
    (kept,) = archive.append([UnsavedEntry(demo, Retraction(seq=0, target=2, at=NEW))])
    bodies = [json.loads(body) for _, body in archive.read(demo, 0, 10)]
    assert [body.get("text") for body in bodies] == ["a", None, "c", None]
    assert bodies[1] == {"kind": "retracted", "seq": 2}
    assert bodies[3] == {"kind": "retract", "seq": 4, "target": 2, "at": NEW}
    assert json.loads(kept.entry.body) == bodies[3]


@pytest.mark.parametrize("target", [0, 2, 3, 99])
def test_retraction_of_what_is_no_comment_changes_nothing(
    open_archive: OpenArchive, target: int
) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1").room_id
    archive.append([draft(demo, "a"), UnsavedEntry(demo, Retraction(seq=0, target=0, at=NEW))])
    before = archive.read(demo, 0, 10)
    archive.append([UnsavedEntry(demo, Retraction(seq=0, target=target, at=NEW))])
    assert archive.read(demo, 0, 2) == before


def test_retracted_refs_are_still_known(open_archive: OpenArchive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1").room_id
    archive.append([draft(demo, ref="k1")])
    archive.append([UnsavedEntry(demo, Retraction(seq=0, target=1, at=NEW))])
    (again,) = archive.append([draft(demo, ref="k1")])
    assert (again.seq, again.dup) == (1, True)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_retracted_text_is_in_no_byte_of_the_files(tmp_path: Path, sizes, random) -> None:
    path = tmp_path / "danmaku.db"
    for file in tmp_path.iterdir():
        file.unlink()
    archive = Archive(f"sqlite:///{path}")
    demo = archive.load_or_create_room("demo", "e1").room_id
    texts = [f"secret-{number}-" + "x" * size for number, size in enumerate(sizes)]
    for text in texts:
        archive.append([draft(demo, text)])
    retracted = {number for number in range(len(texts)) if random.random() < 0.5}
    for number in retracted:
        archive.append([UnsavedEntry(demo, Retraction(seq=0, target=number + 1, at=NEW))])
    assert archive.scrub()
    on_disk = bytes_of(path)
    for number in range(len(texts)):
        assert (f"secret-{number}-".encode() in on_disk) == (number not in retracted)
    archive.close()


def test_trimmed_text_is_in_no_byte_of_the_files(open_archive: OpenArchive, path: Path) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1").room_id
    archive.append([draft(demo, f"secret-{number}") for number in range(500)])
    archive.trim(demo, 499)
    assert archive.scrub()
    assert bytes_of(path).count(b"secret-") == bytes_of(path).count(b"secret-499") > 0


def test_text_retracted_before_a_crash_is_purged_at_the_next_start(
    open_archive: OpenArchive, path: Path, tmp_path: Path
) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1").room_id
    archive.append([draft(demo, "secret")])
    archive.append([UnsavedEntry(demo, Retraction(seq=0, target=1, at=NEW))])
    assert b"secret" in bytes_of(path)  # in the log
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in path.parent.glob(path.name + "*"):
        shutil.copy(file, crashed)
    open_archive(crashed / path.name)
    assert b"secret" not in bytes_of(crashed / path.name)


def test_scrub_waits_for_a_reader(open_archive: OpenArchive, path: Path) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1").room_id
    archive.append([draft(demo)])
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM entries").fetchone()
    archive.append([draft(demo)])
    assert not archive.scrub()
    reader.close()
    assert archive.scrub()


# --- reads and writes beside each other -----------------------------------------------------------


def test_reads_do_not_wait_for_a_write_that_is_under_way(open_archive: OpenArchive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1").room_id
    archive.append([draft(demo)])
    with archive._writer.begin() as connection:
        connection.exec_driver_sql("DELETE FROM entries")
        found: list[list[int]] = []
        reader = threading.Thread(target=lambda: found.append(seqs(archive, demo)))
        reader.start()
        reader.join(4)  # a read that waited for the writer would take busy_timeout, 5 s
        assert found == [[1]]
        connection.rollback()


# --- copies ---------------------------------------------------------------------------------------


def test_copy_has_all_entries_and_begins_new_epochs(
    open_archive: OpenArchive, path: Path, tmp_path: Path
) -> None:
    archive = open_archive()
    epochs = {}
    for name in ("demo", "music"):
        epochs[name] = archive.load_or_create_room(name, f"e-{name}").epoch
    demo = archive.load_or_create_room("demo", "")
    archive.append([draft(demo.room_id, ref="k1") for _ in range(3)])
    target = tmp_path / "copy.db"
    copy_database(str(path), str(target))  # while the server has it open
    assert list(tmp_path.glob("copy.db?*")) == []
    archive.append([draft(demo.room_id)])
    copies = [open_archive(target)]
    first = copies[0].load_or_create_room("demo", "unused")
    assert (first.head, first.epoch != epochs["demo"]) == (1, True)
    assert copies[0].load_or_create_room("music", "unused").epoch not in {
        *epochs.values(),
        first.epoch,
    }
    copies[0].close()
    # It is no copy any more, but a database of its own.
    assert open_archive(target).load_or_create_room("demo", "unused").epoch == first.epoch
    assert archive.load_or_create_room("demo", "unused").epoch == epochs["demo"]


def test_copying_never_overwrites_and_never_creates_the_source(tmp_path: Path) -> None:
    source, target = tmp_path / "none.db", tmp_path / "copy.db"
    with pytest.raises(ArchiveError, match="no database"):
        copy_database(str(source), str(target))
    Archive(f"sqlite:///{source}").close()
    target.write_text("precious")
    with pytest.raises(ArchiveError, match="exists already"):
        copy_database(str(source), str(target))
    assert target.read_text() == "precious"
    with pytest.raises(ArchiveError, match="cannot be copied"):
        copy_database(str(source), str(tmp_path / "missing" / "copy.db"))


# --- migrations -----------------------------------------------------------------------------------

NEXT_VERSION = """
import sqlalchemy as sa
from alembic import op

revision = "0099"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("rooms", sa.Column("colour", sa.Text))
    {more}
"""


def add_version(monkeypatch: pytest.MonkeyPatch, folder: Path, more: str = "") -> None:
    """Let the program be one version of the schema further."""
    shutil.copytree(chat.archive.schema.MIGRATIONS, folder)
    (folder / "versions" / "0099_colour.py").write_text(NEXT_VERSION.format(more=more))
    monkeypatch.setattr(chat.archive.schema, "MIGRATIONS", folder)


def test_new_database_has_the_schema_that_the_migrations_make(
    open_archive: OpenArchive, path: Path, tmp_path: Path
) -> None:
    open_archive()
    migrated = tmp_path / "migrated.db"
    upgrade(sa.create_engine(f"sqlite:///{migrated}"), chat.archive.schema.MIGRATIONS)
    assert list_schema(path) == list_schema(migrated), "run tools/make_schema.py"


def list_schema(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        objects = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        revisions = database.execute("SELECT version_num FROM alembic_version")
        return [" ".join(text.split()) for (text,) in [*objects, *revisions]]


def test_database_is_copied_before_it_is_migrated(
    open_archive: OpenArchive, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1")
    archive.append([draft(demo.room_id, "kept")])
    archive.close()
    assert list(tmp_path.glob("*.before-*")) == []
    with monkeypatch.context() as newer:
        add_version(newer, tmp_path / "migrations")
        archive = open_archive()
        assert (archive.load_or_create_room("demo", "").epoch, seqs(archive, demo.room_id)) == (
            "e1",
            [1],
        )
        archive.close()
        with pytest.raises(ArchiveError, match="newer version"):
            newer.undo()
            open_archive()
    before = path.with_name(path.name + ".before-0099")
    archive = open_archive(before)
    assert b"kept" in archive.read(demo.room_id, 0, 1)[0][1]


def test_database_of_the_first_schema_is_migrated_without_loss(
    open_archive: OpenArchive, path: Path
) -> None:
    engine = sa.create_engine(f"sqlite:///{path}")
    upgrade(engine, chat.archive.schema.MIGRATIONS, "0001")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO rooms VALUES (1, 'demo', 'e1', 7)")
        connection.exec_driver_sql("INSERT INTO entries VALUES (1,7,17,'comment','g','k1','{}')")
    engine.dispose()
    archive = open_archive()
    assert path.with_name(path.name + ".before-0010").exists()
    demo = archive.load_or_create_room("demo", "unused")
    assert (demo.epoch, demo.head, demo.settings) == ("e1", 7, RoomSettings())
    assert archive.read(demo.room_id, 6, 9) == [(7, b"{}")]
    chosen = RoomSettings(title="Film")
    archive.append([UnsavedEntry(demo.room_id, SettingsChange(seq=0, settings=chosen, at=NEW))])
    archive.close()
    again = open_archive().load_or_create_room("demo", "unused")
    assert (again.head, again.settings) == (8, chosen)


def test_migration_that_fails_leaves_the_database_as_it_was(
    open_archive: OpenArchive, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1")
    archive.append([draft(demo.room_id)])
    archive.close()
    with monkeypatch.context() as newer:
        add_version(newer, tmp_path / "migrations", 'op.execute("SELECT * FROM nowhere")')
        with pytest.raises(ArchiveError, match="nowhere"):
            open_archive()
    archive = open_archive()
    assert (archive.load_or_create_room("demo", "").epoch, seqs(archive, demo.room_id)) == (
        "e1",
        [1],
    )


def test_file_is_never_taken_for_another_while_threads_check_it_during_checkpoints(
    tmp_path: Path,
) -> None:
    archive = Archive(f"sqlite:///{tmp_path}/a.db")
    archive.load_or_create_room("demo", "e")
    is_done = threading.Event()

    def check() -> int:
        count = 0
        while not is_done.is_set():
            archive.check_file()
            count += 1
        return count

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(3) as threads:
            checks = [threads.submit(check) for _ in range(3)]
            try:
                for number in range(CHECKPOINTS):
                    archive.append([draft(1, f"{number}")])
                    archive.checkpoint()
            finally:
                is_done.set()
            assert min(one.result() for one in checks) > 0
    finally:
        sys.setswitchinterval(interval)
        archive.close()
