"""Acts of moderators in the archive and the journal: stored with their entries, in one step."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from chat.archive import Archive, StoredEntry, UnsavedEntry
from chat.core.comment import Comment
from chat.core.entry import Entry
from chat.core.moderation.acts import Act, ClearAct, RetractAct, SettingsAct, decode_act, number_act
from chat.core.retraction import Clear, ClearUser, Retraction, encode_retracted
from chat.core.room_settings import RoomSettings
from chat.journal import AppendFailed
from chat.journal.local import LocalJournal
from chat.metrics import Metrics
from tests.support.journal_harness import JournalRecorder, OpenJournal, make_opener, run

AT = 17
BY = {"at": AT, "by": "mia", "by_name": "Mia"}
ACTS: list[Act] = [
    RetractAct(**BY, seq=3, user="g-1", name="Owl", reason="spam"),
    ClearAct(**BY, before=9),
    ClearAct(**BY, before=9, user="g-1"),
    SettingsAct(**BY, before=RoomSettings(), settings=RoomSettings(title="Film")),
]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "danmaku.db"


@pytest.fixture
def open_archive(database: Path) -> Iterator[Callable[[], Archive]]:
    opened: list[Archive] = []

    def open_one() -> Archive:
        for archive in opened:
            archive.close()
        opened.append(Archive(f"sqlite:///{database}"))
        return opened[-1]

    yield open_one
    opened[-1].close()


def comment(text: str, user: str = "g-1") -> Comment:
    return Comment(seq=0, user=user, name="Owl", text=text, at=AT)


def retraction(room_id: int, target: int) -> UnsavedEntry:
    return UnsavedEntry(
        room_id,
        Retraction(seq=0, target=target, at=AT),
        f"retract:{target}",
        RetractAct(**BY, seq=target, user="g-1", name="Owl"),
    )


def clear(room_id: int, before: int, user: str | None = None) -> UnsavedEntry:
    entry: Entry = Clear(seq=0, before=before, at=AT)
    if user is not None:
        entry = ClearUser(seq=0, user=user, before=before, at=AT)
    return UnsavedEntry(room_id, entry, None, ClearAct(**BY, before=before, user=user or ""))


def read_texts(archive: Archive, room_id: int) -> list[str | None]:
    bodies = [json.loads(body) for _, body in archive.read(room_id, 0, 10_000)]
    return [body.get("text") for body in bodies if body["kind"] in ("comment", "retracted")]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: type(act).__name__)
def test_act_is_read_as_it_was_numbered(act: Act) -> None:
    numbered = number_act(act, 5)
    assert numbered.id == 5
    assert decode_act(numbered.body) == numbered
    assert json.loads(numbered.body).items() >= {"id": 5, **BY}.items()


def test_acts_of_each_room_are_numbered_apart_from_its_entries(open_archive) -> None:
    archive = open_archive()
    demo, music = (archive.load_or_create_room(name, "e").room_id for name in ("demo", "music"))
    stored = archive.append(
        [
            UnsavedEntry(demo, comment("a")),
            retraction(demo, 1),
            UnsavedEntry(music, comment("b")),
            clear(music, 1),
            clear(demo, 2),
        ]
    )
    assert [one.act and one.act.id for one in stored] == [None, 1, None, 1, 2]
    assert [one.seq for one in stored] == [1, 2, 1, 2, 3]
    assert [decode_act(body).id for body in archive.read_acts(demo, 0, 10)] == [1, 2]
    assert [decode_act(body).id for body in archive.read_acts(demo, 1, 10)] == [2]
    assert len(archive.read_acts(demo, 0, 1)) == 1
    assert archive.find_rooms(["demo"])["demo"].acts == 2


def test_repeated_act_is_a_duplicate_in_the_same_batch_and_after_a_restart(open_archive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e").room_id
    archive.append([UnsavedEntry(demo, comment("a"))])
    first, second = archive.append([retraction(demo, 1), retraction(demo, 1)])
    archive = open_archive()
    (third,) = archive.append([retraction(demo, 1)])
    assert [(one.seq, one.dup) for one in (first, second, third)] == [
        (2, False),
        (2, True),
        (2, True),
    ]
    assert len(archive.read_acts(demo, 0, 10)) == 1
    assert archive.find_rooms(["demo"])["demo"].head == 2


def test_batch_that_fails_stores_neither_entry_nor_act(open_archive, database: Path) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e").room_id
    archive.append([UnsavedEntry(demo, comment("a"))])
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON acts BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    with pytest.raises(SQLAlchemyError, match="full"):
        archive.append([retraction(demo, 1), clear(demo, 1)])
    record = archive.find_rooms(["demo"])["demo"]
    assert (record.head, record.acts) == (1, 0)
    assert read_texts(archive, demo) == ["a"]
    assert not archive.overwrite_cleared(10)
    assert read_texts(archive, demo) == ["a"]


@pytest.mark.parametrize("user", [None, "g-1"])
def test_cleared_texts_cannot_be_read_from_the_commit_on_and_are_overwritten_in_steps(
    open_archive, database: Path, user: str | None
) -> None:
    archive = open_archive()
    demo, music = (archive.load_or_create_room(name, "e").room_id for name in ("demo", "music"))
    for room in (demo, music):
        users = ["g-1" if number % 3 else "g-2" for number in range(30)]
        archive.append(
            [UnsavedEntry(room, comment(f"secret-{n}.", who)) for n, who in enumerate(users)]
        )
    archive.append([clear(demo, 25, user), UnsavedEntry(demo, comment("secret-later."))])

    def expected(number: int) -> str | None:
        is_gone = number < 25 and user in (None, users[number])
        return None if is_gone else f"secret-{number}."

    for has_more in (True, True, False):
        assert read_texts(archive, demo) == [*map(expected, range(30)), "secret-later."]
        assert archive.overwrite_cleared(10) == has_more
    assert read_texts(archive, demo) == [*map(expected, range(30)), "secret-later."]
    assert read_texts(archive, music) == [f"secret-{number}." for number in range(30)]
    # The tables have the same as was read meanwhile, and no trace of the clear.
    with closing(sqlite3.connect(database)) as other:
        rows = dict(other.execute("SELECT seq, body FROM entries WHERE room_id = ?", [demo]))
        assert other.execute("SELECT count(*) FROM clears").fetchone() == (0,)
    for number in range(30):
        is_gone = expected(number) is None
        assert (rows[number + 1] == encode_retracted(number + 1).decode()) == is_gone


def test_clear_that_was_interrupted_is_finished_after_a_restart(open_archive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e").room_id
    archive.append([UnsavedEntry(demo, comment(f"{number}")) for number in range(30)])
    archive.append([clear(demo, 30)])
    assert archive.overwrite_cleared(10)
    archive = open_archive()
    assert read_texts(archive, demo) == [None] * 30
    assert archive.overwrite_cleared(10)
    assert not archive.overwrite_cleared(10)
    assert not archive.overwrite_cleared(10)


def test_clear_begins_at_the_first_entry_that_was_not_trimmed(open_archive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e").room_id
    archive.append([UnsavedEntry(demo, comment(f"{number}")) for number in range(100)])
    archive.trim(demo, 95)
    archive.append([clear(demo, 100)])
    assert not archive.overwrite_cleared(10)
    assert read_texts(archive, demo) == [None] * 5


def test_old_acts_are_trimmed_and_the_numbers_go_on(open_archive) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e").room_id
    archive.append([clear(demo, 0), clear(demo, 0)])
    assert not archive.has_old_acts(demo, AT)
    assert archive.has_old_acts(demo, AT + 1)
    archive.trim_acts(demo, AT + 1)
    assert archive.read_acts(demo, 0, 10) == []
    (third,) = archive.append([clear(demo, 0)])
    assert third.act is not None
    assert third.act.id == 3


# --- the journal ----------------------------------------------------------------------------------


@pytest.fixture
def open_journal(database: Path) -> OpenJournal:
    return make_opener(f"sqlite:///{database}")


def test_act_is_delivered_with_its_entry_and_only_once(open_journal: OpenJournal) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            journal = recorder.journal
            await journal.open_room("demo")
            await recorder.append("demo", "a")
            act = RetractAct(**BY, seq=1)
            entry = Retraction(seq=0, target=1, at=AT)
            results = await asyncio.gather(
                *(journal.append("demo", entry, "retract:1", act) for _ in range(3))
            )
            assert [(one.seq, one.dup) for one in results] == [(2, False), (2, True), (2, True)]
            assert [one.id for _, one in recorder.acts] == [1]
            assert len(await journal.read_acts("demo", 0, 10)) == 1
        async with open_journal() as recorder:
            room = await recorder.journal.open_room("demo")
            assert (room.head, room.acts) == (2, 1)
            assert recorder.acts == []

    run(steps)


def test_act_whose_commit_failed_is_neither_acknowledged_nor_half_done(
    open_journal: OpenJournal, database: Path
) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            journal = recorder.journal
            await journal.open_room("demo")
            await recorder.append("demo", "a")
            with closing(sqlite3.connect(database, isolation_level=None)) as other:
                other.execute("CREATE TRIGGER full BEFORE INSERT ON acts "
                              "BEGIN SELECT RAISE(ABORT, 'full'); END")  # fmt: skip
            act, entry = ClearAct(**BY, before=1), Clear(seq=0, before=1, at=AT)
            with pytest.raises(AppendFailed):
                await journal.append("demo", entry, None, act)
            with closing(sqlite3.connect(database, isolation_level=None)) as other:
                other.execute("DROP TRIGGER full")
            assert b'"a"' in (await journal.read("demo", 0, 1))[0]
            assert (await journal.append("demo", entry, None, act)).seq == 2
            assert [one.id for _, one in recorder.acts] == [1]
            assert (await journal.read("demo", 0, 1))[0] == encode_retracted(1)

    run(steps)


def test_acts_that_were_stored_but_not_delivered_follow_from_the_archive(
    open_journal: OpenJournal,
) -> None:
    def fail() -> None:
        recorder.on_delivery = lambda: None
        raise RuntimeError("a bug")

    async def steps() -> None:
        nonlocal recorder
        async with open_journal() as recorder:
            journal = recorder.journal
            await journal.open_room("demo")
            recorder.on_delivery = fail
            for number in (1, 2):
                act, entry = ClearAct(**BY, before=0), Clear(seq=0, before=0, at=AT)
                assert (await journal.append("demo", entry, None, act)).seq == number
            assert [one.id for _, one in recorder.acts] == [1, 2]

    recorder = None  # type: ignore[assignment]
    run(steps)


def test_cleared_texts_leave_the_file_while_comments_are_stored(
    open_journal: OpenJournal, database: Path
) -> None:
    def is_on_disk(text: bytes) -> bool:
        return any(text in file.read_bytes() for file in database.parent.glob(database.name + "*"))

    async def steps() -> None:
        async with open_journal() as recorder:
            journal = recorder.journal
            await journal.open_room("demo")
            await asyncio.gather(*(recorder.append("demo", f"secret-{n}.") for n in range(3_000)))
            assert is_on_disk(b"secret-7.")
            act, entry = ClearAct(**BY, before=3_000), Clear(seq=0, before=3_000, at=AT)
            await journal.append("demo", entry, None, act)
            async with asyncio.timeout(10):
                while is_on_disk(b"secret-"):
                    await recorder.append("demo", "meanwhile")
                    await asyncio.sleep(0.01)

    run(steps)


class UnheardArchive(Archive):
    """Stores removals, and then raises as if the disk had failed."""

    def append(self, batch: Iterable[UnsavedEntry]) -> list[StoredEntry]:
        batch = list(batch)
        stored = super().append(batch)
        if any(isinstance(unsaved.entry, Clear) for unsaved in batch):
            raise OperationalError("COMMIT", {}, OSError("disk I/O error"))
        return stored


def test_texts_of_a_clear_that_was_stored_although_it_failed_are_overwritten(
    database: Path,
) -> None:
    async def steps() -> None:
        metrics = Metrics()
        journal = LocalJournal(UnheardArchive(f"sqlite:///{database}"), metrics)
        recorder = JournalRecorder(journal, metrics)
        journal.start(recorder.deliver, recorder.trimmed)
        await journal.open_room("demo")
        await recorder.append("demo", "secret")
        with pytest.raises(AppendFailed):
            await journal.append("demo", Clear(seq=0, before=1, at=AT), None)
        async with asyncio.timeout(10):
            while b"secret" in b"".join(  # noqa: ASYNC110 - it is the disk that is looked at
                file.read_bytes() for file in database.parent.glob(database.name + "*")
            ):
                await asyncio.sleep(0.01)
        await journal.close()

    run(steps)
