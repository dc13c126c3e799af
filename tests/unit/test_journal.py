"""The interface of a journal: one suite, over every implementation."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from chat.core.comment import Comment
from chat.core.entry import Shadowed, number_entry
from chat.core.room_settings import RoomSettings, SettingsChange
from chat.journal import AppendFailed, Busy, ReadFailed
from tests.support.journal_harness import OpenJournal, run


def test_entries_of_a_room_are_numbered_and_delivered_in_order(open_journal: OpenJournal) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            for room in ("demo", "music"):
                assert (await recorder.journal.open_room(room)).head == 0
            places = [
                recorder.append(room, f"{n}") for n in range(50) for room in ("demo", "music")
            ]
            seqs = [(await place).seq for place in places]
            assert seqs == [n for n in range(1, 51) for _ in range(2)]
            for room in ("demo", "music"):
                mine = [(seq, text) for name, seq, text in recorder.delivered if name == room]
                assert mine == [(n + 1, f"{n}") for n in range(50)]

    run(steps)


def test_entries_appended_together_share_commits(open_journal: OpenJournal) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            await recorder.journal.open_room("demo")
            await asyncio.gather(*(recorder.append("demo", f"{n}") for n in range(200)))
            commits = recorder.metrics.registry.get_sample_value("danmaku_commit_seconds_count")
            assert commits is not None
            assert commits <= 3

    run(steps)


def test_entry_is_delivered_before_append_returns(open_journal: OpenJournal) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            await recorder.journal.open_room("demo")
            place = await recorder.append("demo", "hi")
            assert recorder.delivered == [("demo", place.seq, "hi")]

    run(steps)


def test_repeated_ref_returns_its_first_seq_and_is_not_delivered_again(
    open_journal: OpenJournal,
) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            await recorder.journal.open_room("demo")
            first, twin = (
                recorder.append("demo", "a", ref="k1"),
                recorder.append("demo", "a", ref="k1"),
            )
            assert ((await first).dup, (await twin).dup) == (False, True)
            later = await recorder.append("demo", "a", ref="k1")
            assert (later.seq, later.dup) == (1, True)
            other = await recorder.append("demo", "b", user="g-2", ref="k1")
            assert (other.seq, other.dup) == (2, False)
            assert recorder.delivered == [("demo", 1, "a"), ("demo", 2, "b")]

    run(steps)


def test_read_gives_the_entries_after_a_seq(open_journal: OpenJournal) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            await recorder.journal.open_room("demo")
            await asyncio.gather(*(recorder.append("demo", f"{n}") for n in range(10)))
            found = [json.loads(body)["seq"] for body in await recorder.journal.read("demo", 3, 4)]
            assert found == [4, 5, 6, 7]
            assert await recorder.journal.read("demo", 10, 4) == []

    run(steps)


def test_closed_room_gets_no_delivery_and_reopens_at_its_head(
    open_journal: OpenJournal,
) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            first = await recorder.journal.open_room("demo")
            place = recorder.append("demo", "a")
            recorder.journal.close_room("demo")
            assert (await place).seq == 1
            assert recorder.delivered == []
            again = await recorder.journal.open_room("demo")
            assert (again.epoch, again.head) == (first.epoch, 1)
            assert [json.loads(body)["text"] for body in again.recent] == ["a"]
            await recorder.append("demo", "b")
            assert recorder.delivered == [("demo", 2, "b")]

    run(steps)


def test_settings_are_an_entry_and_the_room_opens_with_the_newest(
    open_journal: OpenJournal,
) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            assert (await recorder.journal.open_room("demo")).settings == RoomSettings()
            await recorder.journal.open_room("music")
            chosen = [RoomSettings(title="弹幕", delay=delay) for delay in (0, 4.5, 3)]
            changes = [SettingsChange(seq=0, settings=settings, at=17) for settings in chosen]
            places = [recorder.journal.append("demo", change, None) for change in changes[:2]]
            recorder.append("music", "hi")
            assert [(await place).seq for place in places] == [1, 2]
            recorder.journal.close_room("demo")
            found = await recorder.journal.open_room("demo")
            assert found.settings == chosen[1]
            assert found.recent == [
                number_entry(SettingsChange(seq=0, settings=settings, at=17), seq).body
                for seq, settings in enumerate(chosen[:2], 1)
            ]
            assert (await recorder.journal.append("demo", changes[2], None)).seq == 3
            await recorder.journal.trim(10**13)
            recorder.journal.close_room("demo")
            found = await recorder.journal.open_room("demo")
            assert (found.head, found.recent, found.settings) == (3, [], chosen[2])
            delivered = [entry for entry in recorder.delivered if entry[0] == "demo"]
            assert delivered == [("demo", seq, "settings") for seq in (1, 2, 3)]
            recorder.journal.close_room("music")
            assert (await recorder.journal.open_room("music")).settings == RoomSettings()

    run(steps)


def test_room_opens_with_its_recent_entries_while_others_post(open_journal: OpenJournal) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            await recorder.journal.open_room("demo")
            places = [recorder.append("demo", f"{n}") for n in range(2000)]
            recorder.journal.close_room("demo")
            found = await recorder.journal.open_room("demo")
            await asyncio.gather(*places)
            # What is not in the recent entries was delivered: nothing is missing, nothing twice.
            seqs = [json.loads(body)["seq"] for body in found.recent]
            assert seqs == list(range(found.head - len(seqs) + 1, found.head + 1))
            delivered = [seq for _, seq, _ in recorder.delivered if seq > found.head]
            assert delivered == list(range(found.head + 1, 2001))

    run(steps)


def test_append_over_the_pending_limit_raises_at_once(
    open_journal: OpenJournal,
) -> None:
    async def steps() -> None:
        async with open_journal(pending=100) as recorder:
            await recorder.journal.open_room("demo")
            places = [recorder.append("demo", f"{n}") for n in range(100)]
            with pytest.raises(Busy):
                recorder.append("demo", "one more")
            await asyncio.gather(*places)
            assert (await recorder.append("demo", "again")).seq == 101

    run(steps)


def test_closing_keeps_and_delivers_what_was_appended(open_journal: OpenJournal) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            await recorder.journal.open_room("demo")
            places = [recorder.append("demo", f"{n}") for n in range(10)]
            await recorder.journal.close()
            assert [place.result().seq for place in places] == list(range(1, 11))
            assert len(recorder.delivered) == 10
            with pytest.raises(Busy):
                recorder.append("demo", "too late")

    run(steps)


# --- what only a journal with a file can show -----------------------------------------------------


def test_entries_are_delivered_after_they_are_stored(
    open_file: OpenJournal, database: Path
) -> None:
    heads = []

    def look() -> None:
        other = sqlite3.connect(database)
        heads.append(other.execute("SELECT count(*) FROM entries").fetchone()[0])
        other.close()

    async def steps() -> None:
        async with open_file() as recorder:
            await recorder.journal.open_room("demo")
            recorder.on_delivery = look
            for count in range(1, 4):
                await recorder.append("demo", "hi")
                assert heads[-1] == count

    run(steps)


def test_restart_continues_the_epoch_and_the_numbers(open_file: OpenJournal) -> None:
    async def steps() -> None:
        async with open_file() as recorder:
            before = await recorder.journal.open_room("demo")
            await asyncio.gather(*(recorder.append("demo", f"{n}") for n in range(400)))
        async with open_file() as recorder:
            after = await recorder.journal.open_room("demo")
            assert (after.epoch, after.head) == (before.epoch, 400)
            assert len(after.recent) == 300
            assert json.loads(after.recent[-1])["seq"] == 400
            assert (await recorder.append("demo", "next")).seq == 401

    run(steps)


def test_failed_commit_raises_and_leaves_no_gap(
    open_file: OpenJournal, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def steps() -> None:
        async with open_file() as recorder:
            await recorder.journal.open_room("demo")
            await recorder.append("demo", "a")
            other = sqlite3.connect(database)
            other.execute("ALTER TABLE entries RENAME TO hidden")
            for place in [recorder.append("demo", "lost"), recorder.append("demo", "lost")]:
                with pytest.raises(AppendFailed):
                    await place
            other.execute("ALTER TABLE hidden RENAME TO entries")
            other.close()
            assert (await recorder.append("demo", "b")).seq == 2
            assert recorder.delivered == [("demo", 1, "a"), ("demo", 2, "b")]
            failures = recorder.metrics.registry.get_sample_value("danmaku_commit_failures_total")
            assert failures
            assert "the archive failed" in caplog.text

    run(steps)


def test_entries_of_a_failed_commit_found_on_the_disk_are_delivered(
    open_file: OpenJournal, database: Path
) -> None:
    async def steps() -> None:
        async with open_file() as recorder:
            await recorder.journal.open_room("demo")
            await recorder.append("demo", "a")
            other = sqlite3.connect(database)
            other.execute("ALTER TABLE entries RENAME TO hidden")
            with pytest.raises(AppendFailed):
                await recorder.append("demo", "b")
            # The commit came through, only its answer was lost.
            other.execute(
                """INSERT INTO hidden SELECT room_id, 2, at, kind, "user", 'k2',
                json_set(body, '$.seq', 2, '$.text', 'b') FROM hidden"""
            )
            other.execute("UPDATE rooms SET head = 2")
            other.execute("ALTER TABLE hidden RENAME TO entries")
            other.commit()
            other.close()
            assert (await recorder.append("demo", "c")).seq == 3
            assert recorder.delivered == [("demo", 1, "a"), ("demo", 2, "b"), ("demo", 3, "c")]

    run(steps)


def test_number_that_is_not_the_next_is_not_delivered_before_what_is_missing(
    open_file: OpenJournal, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def steps() -> None:
        async with open_file() as recorder:
            await recorder.journal.open_room("demo")
            await recorder.append("demo", "a")
            other = sqlite3.connect(database)
            other.execute(
                """INSERT INTO entries SELECT room_id, 2, at, kind, "user", 'k2',
                json_set(body, '$.seq', 2, '$.text', 'b') FROM entries"""
            )
            other.execute("UPDATE rooms SET head = 2")
            other.commit()
            other.close()
            assert (await recorder.append("demo", "c")).seq == 3
            await recorder.append("demo", "d")
            texts = [(seq, text) for _, seq, text in recorder.delivered]
            assert texts == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
            assert "entry 3 does not follow 1" in caplog.text

    run(steps)


def test_number_that_was_assigned_before_is_neither_acked_nor_delivered(
    open_file: OpenJournal, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def steps() -> None:
        async with open_file() as recorder:
            await recorder.journal.open_room("demo")
            await recorder.append("demo", "a")
            other = sqlite3.connect(database)
            other.execute("DELETE FROM entries")
            other.execute("UPDATE rooms SET head = 0")
            other.commit()
            other.close()
            with pytest.raises(AppendFailed):
                await recorder.append("demo", "b")
            assert recorder.delivered == [("demo", 1, "a")]
            assert "number 1 was assigned twice" in caplog.text

    run(steps)


def test_exception_in_a_delivery_loses_neither_acks_nor_entries(
    open_journal: OpenJournal, caplog: pytest.LogCaptureFixture
) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            await recorder.journal.open_room("demo")

            def fail() -> None:
                raise RuntimeError("a bug")

            recorder.on_delivery = fail
            assert (await recorder.append("demo", "a")).seq == 1
            assert not recorder.journal.is_consistent("demo")
            recorder.on_delivery = lambda: None
            assert (await recorder.append("demo", "b")).seq == 2
            assert recorder.journal.is_consistent("demo")
            assert recorder.delivered == [("demo", 1, "a"), ("demo", 2, "b")]
            assert "a delivery failed" in caplog.text

    run(steps)


def test_shadowed_comment_is_delivered_with_its_text_also_after_a_failed_delivery(
    open_journal: OpenJournal, caplog: pytest.LogCaptureFixture
) -> None:
    shadowed = Shadowed(Comment(seq=0, user="g-1", name="Owl", text="hidden", at=17))

    async def steps() -> None:
        async with open_journal() as recorder:
            journal = recorder.journal
            await journal.open_room("demo")
            await journal.append("demo", shadowed, "r")

            def fail_once() -> None:
                recorder.on_delivery = lambda: None
                raise RuntimeError

            recorder.on_delivery = fail_once
            assert (await journal.append("demo", shadowed, None)).seq == 2
            await recorder.append("demo", "seen")
            assert (await journal.append("demo", shadowed, "r")).seq == 1
            texts = [text for _, _, text in recorder.delivered]
            assert texts == ["retracted", "retracted", "seen"]
            assert sorted(recorder.hidden) == [1, 2]
            assert {one.user for one in recorder.hidden.values()} == {"g-1"}
            assert all(b'"text":"hidden"' in one.body for one in recorder.hidden.values())
            assert recorder.hidden == await journal.read_hidden("demo", 1, 3)
            opened = await journal.open_room("demo")
            assert opened.hidden == recorder.hidden
            assert all(b"hidden" not in body for body in opened.recent)
            assert "a delivery failed" in caplog.text

    run(steps)


def test_read_after_the_close_fails_and_is_not_logged(
    open_journal: OpenJournal, caplog: pytest.LogCaptureFixture
) -> None:
    async def steps() -> None:
        async with open_journal() as recorder:
            await recorder.journal.open_room("demo")
            await recorder.append("demo", "a")
            await recorder.journal.close()
            with pytest.raises(ReadFailed):
                await recorder.journal.read("demo", 0, 10)
            assert caplog.text == ""

    run(steps)
