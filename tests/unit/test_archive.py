"""The archive: dense numbers, kept over restarts, and errors of one sentence."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.archive import Archive, ArchiveError, UnsavedEntry
from chat.core.comment import Comment

OpenArchive = Callable[[], Archive]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "danmaku.db"


@pytest.fixture
def open_archive(path: Path) -> Iterator[OpenArchive]:
    opened = []

    def open_one() -> Archive:
        opened.append(Archive(f"sqlite:///{path}"))
        return opened[-1]

    yield open_one
    for archive in opened:
        archive.close()


def draft(
    room_id: int, text: str = "hi", user: str = "g-1", ref: str | None = None
) -> UnsavedEntry:
    return UnsavedEntry(room_id, Comment(seq=0, user=user, name="Owl", text=text, at=17), ref)


def test_entries_are_numbered_from_1_without_holes_in_every_room(
    open_archive: OpenArchive,
) -> None:
    archive = open_archive()
    demo, music = (
        archive.load_or_create_room("demo", "e1"),
        archive.load_or_create_room("music", "e2"),
    )
    order = [demo.room_id, music.room_id, demo.room_id, demo.room_id, music.room_id]
    first = archive.append([draft(room_id) for room_id in order])
    assert [kept.seq for kept in first] == [1, 1, 2, 3, 2]
    second = archive.append([draft(room_id) for room_id in order])
    assert [kept.seq for kept in second] == [4, 3, 5, 6, 4]
    assert [seq for seq, _ in archive.read(demo.room_id, 0, 100)] == [1, 2, 3, 4, 5, 6]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(0, 2), st.sampled_from("ab"), st.sampled_from([None, "k1", "k2", "é"])
            ),
            max_size=8,
        ),
        max_size=5,
    )
)
def test_archive_numbers_any_batches_as_the_model_does(
    batches: list[list[tuple[int, str, str | None]]],
) -> None:
    archive = Archive("sqlite://")
    rooms = [archive.load_or_create_room(f"room-{number}", "e").room_id for number in range(3)]
    heads, refs = dict.fromkeys(rooms, 0), {}
    for batch in batches:
        kept = archive.append(
            [draft(rooms[place], user=user, ref=ref) for place, user, ref in batch]
        )
        for (place, user, ref), entry in zip(batch, kept, strict=True):
            key = (place, user, ref)
            if ref is not None and key in refs:
                assert (entry.seq, entry.dup) == (refs[key], True)
                continue
            heads[rooms[place]] += 1
            refs[key] = heads[rooms[place]]
            assert (entry.seq, entry.dup) == (refs[key], False)
    for room, head in heads.items():
        assert [seq for seq, _ in archive.read(room, 0, 1000)] == list(range(1, head + 1))
    archive.close()


def test_body_is_read_as_it_was_kept(open_archive: OpenArchive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1")
    (kept,) = archive.append([draft(demo.room_id, text='弹幕 "quoted" \\ \U0001f600')])
    assert archive.read(demo.room_id, 0, 10) == [(1, kept.entry.body)]
    assert json.loads(kept.entry.body) == {
        "kind": "comment",
        "seq": 1,
        "user": "g-1",
        "name": "Owl",
        "text": '弹幕 "quoted" \\ \U0001f600',
        "at": 17,
    }


def test_ref_seen_before_keeps_its_first_seq_also_after_a_restart(
    open_archive: OpenArchive,
) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1")
    archive.append([draft(demo.room_id), draft(demo.room_id, ref="k1")])
    archive.close()
    archive = open_archive()
    (again,) = archive.append([draft(demo.room_id, ref="k1")])
    assert (again.seq, again.dup) == (2, True)
    assert archive.load_or_create_room("demo", "e9").head == 2


def test_ref_counts_for_its_sender_and_room_alone(open_archive: OpenArchive) -> None:
    archive = open_archive()
    demo, music = (
        archive.load_or_create_room("demo", "e1"),
        archive.load_or_create_room("music", "e2"),
    )
    archive.append([draft(demo.room_id, ref="k1")])
    others = [draft(demo.room_id, user="g-2", ref="k1"), draft(music.room_id, ref="k1")]
    assert [(kept.seq, kept.dup) for kept in archive.append(others)] == [(2, False), (1, False)]


def test_numbering_goes_on_after_a_restart(open_archive: OpenArchive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1")
    archive.append([draft(demo.room_id)] * 3)
    archive.close()
    archive = open_archive()
    again = archive.load_or_create_room("demo", "another")
    assert (again.epoch, again.head) == ("e1", 3)
    assert archive.append([draft(again.room_id)])[0].seq == 4
    assert archive.load_or_create_room("new", "e5").head == 0


def test_read_gives_the_next_entries_in_order_and_no_more_than_asked(
    open_archive: OpenArchive,
) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1")
    archive.append([draft(demo.room_id)] * 10)
    assert [seq for seq, _ in archive.read(demo.room_id, 4, 3)] == [5, 6, 7]
    assert archive.read(demo.room_id, 10, 3) == []


def test_batch_that_fails_leaves_no_hole(open_archive: OpenArchive, path: Path) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e1")
    archive.append([draft(demo.room_id)])
    other = sqlite3.connect(path)
    other.execute("ALTER TABLE entries RENAME TO hidden")
    with pytest.raises(Exception, match="no such table"):
        archive.append([draft(demo.room_id)])
    other.execute("ALTER TABLE hidden RENAME TO entries")
    other.close()
    assert archive.append([draft(demo.room_id)])[0].seq == 2


def test_commits_are_synced_before_append_returns(open_archive: OpenArchive) -> None:
    # What the promise of an ack rests on (sqlite.org/pragma.html#pragma_synchronous: 2 is FULL).
    archive = open_archive()
    with archive._writer.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


# --- a database that cannot be opened is reported in one sentence ------------------------------


def refusal_of(path: Path) -> str:
    with pytest.raises(ArchiveError) as refused:
        Archive(f"sqlite:///{path}")
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_newer_schema_is_refused_and_left_alone(open_archive: OpenArchive, path: Path) -> None:
    open_archive().close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE alembic_version SET version_num = '9999'")
    other.close()
    assert "newer version" in refusal_of(path)
    assert "9999" in refusal_of(path)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "danmaku.db"
    assert str(missing) in refusal_of(missing)


def test_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    assert str(tmp_path) in refusal_of(tmp_path)


def test_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_text("shopping list\n" * 500)
    assert "not a database" in refusal_of(path)
    assert path.read_text() == "shopping list\n" * 500


def test_second_server_on_the_same_file_is_refused(open_archive: OpenArchive, path: Path) -> None:
    archive = open_archive()
    assert "in use by another server" in refusal_of(path)
    archive.close()
    open_archive()
