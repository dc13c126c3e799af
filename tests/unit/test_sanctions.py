"""Sanctions: in force until they end, are replaced or lifted; in the archive as in memory."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import SQLAlchemyError

from chat.archive import Archive, UnsavedEntry
from chat.core.comment import Comment
from chat.core.moderation.acts import Act, LiftAct, SanctionAct, SanctionKind, decode_act
from chat.core.moderation.addresses import hash_address
from chat.core.moderation.sanctions import Sanctions
from chat.core.reject import Rejection
from tests.support.journal_harness import make_opener, run

MUTE, BAN = SanctionKind.MUTE, SanctionKind.BAN
OpenArchive = Callable[[], Archive]


def begin(number: int, user: str = "owl", kind: SanctionKind = MUTE, **fields: Any) -> SanctionAct:
    given = {"at": 0, "until": None, **fields}
    return SanctionAct(id=number, by="mia", by_name="Mia", sanction=kind, user=user, **given)


def lift(number: int, act: SanctionAct, at: int = 0) -> LiftAct:
    return LiftAct(
        id=number, at=at, by="mia", by_name="Mia",
        lifted=act.id, sanction=act.sanction, user=act.user,
    )  # fmt: skip


def check(sanctions: Sanctions, user: str = "owl", at: int = 0) -> tuple[str, float | None] | None:
    found = sanctions.check(user, at)
    assert found is None or isinstance(found, Rejection)
    return found and (found.code, found.retry_after)


def test_sanction_is_in_force_until_its_end() -> None:
    sanctions = Sanctions([begin(1, until=5_000)])
    assert check(sanctions, at=1_000) == ("muted", 4)
    assert check(sanctions, at=4_999) == ("muted", 0.001)
    assert check(sanctions, at=5_000) is None
    assert check(sanctions, user="fox") is None
    assert sanctions.find_all(5_000) == []


def test_ban_counts_more_than_a_mute_and_each_is_lifted_alone() -> None:
    sanctions = Sanctions()
    mute, ban = begin(1), begin(2, kind=BAN)
    for act in (mute, ban):
        sanctions.apply(act)
    assert check(sanctions) == ("banned", None)
    sanctions.apply(lift(3, ban))
    assert check(sanctions) == ("muted", None)
    sanctions.apply(lift(4, mute))
    sanctions.apply(lift(5, mute))
    assert (check(sanctions), len(sanctions)) == (None, 0)


def test_sanction_of_an_address_ends_with_the_sanction() -> None:
    sanctions = Sanctions([begin(1, kind=BAN, until=9, address="x"), begin(2, "fox", address="x")])
    assert sanctions.check("cat", 0, "y") is None
    for at, code in ((0, "banned"), (9, "muted")):
        found = sanctions.check("cat", at, "x")
        assert found is not None
        assert found.code == code
    sanctions.apply(lift(3, begin(2, "fox")))
    assert sanctions.check("cat", 9, "x") is None
    sanctions.drop_expired(9)
    assert (sanctions.check("cat", 0, "x"), len(sanctions)) == (None, 0)


def test_wait_is_that_of_the_sanction_that_lasts_longest() -> None:
    own, of_address = begin(1, until=2_000), begin(2, "fox", until=9_000, address="x")
    for acts in ((own, of_address), (of_address, own)):
        found = Sanctions(acts).check("owl", 1_000, "x")
        assert found is not None
        assert (found.code, found.retry_after) == ("muted", 8)
    for_good = Sanctions([own, of_address, begin(3, "cat", address="x")])
    found = for_good.check("owl", 1_000, "x")
    assert found is not None
    assert (found.code, found.retry_after) == ("muted", None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "danmaku.db"


@pytest.fixture
def open_archive(path: Path) -> Iterator[OpenArchive]:
    opened: list[Archive] = []

    def open_one() -> Archive:
        for archive in opened:
            archive.close()
        opened.append(Archive(f"sqlite:///{path}"))
        return opened[-1]

    yield open_one
    opened[-1].close()


def read(archive: Archive) -> list[Act]:
    return [decode_act(body).act for body in archive.open_rooms({"demo": "e"}, 0)["demo"].sanctions]


steps = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from(["owl", "fox"]),
            st.sampled_from(SanctionKind),
            st.sampled_from([None, 3, 6]),
            st.integers(0, 8),
        ),
        max_size=4,
    ),
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_archive_and_memory_have_the_same_sanctions(
    batches: list[list[tuple[str, SanctionKind, int | None, int]]],
) -> None:
    archive = Archive("sqlite://")
    demo = archive.load_or_create_room("demo", "e").room_id
    music = archive.load_or_create_room("music", "e").room_id
    archive.append([UnsavedEntry(music, None, None, begin(0, "owl"))])
    memory, number = Sanctions(), 0
    for at, batch in enumerate(batches):
        acts: list[Act] = []
        for user, kind, minutes, lifted in batch:
            number += 1
            act: SanctionAct | LiftAct = begin(
                number, user, kind, at=at, until=None if minutes is None else at + minutes
            )
            if lifted % 2 and (found := memory.find(lifted)):
                act = lift(number, found, at)
            memory.apply(act)
            acts.append(act)
        stored = archive.append([UnsavedEntry(demo, None, None, act) for act in acts])
        assert [one.act and one.act.act for one in stored] == acts
        assert {one.seq for one in stored} <= {0}
        in_force = [act for act in read(archive) if not act.is_over(at)]
        assert in_force == memory.find_all(at)
        assert Sanctions(read(archive)).find_all(at) == in_force
    archive.close()


def test_last_address_of_a_user_is_kept_until_it_is_old(open_archive: OpenArchive) -> None:
    archive = open_archive()
    demo, music = (archive.load_or_create_room(name, "e").room_id for name in ("demo", "music"))

    def post(user: str, address: str, at: int = 1_000) -> None:
        comment = Comment(seq=0, user=user, name="Owl", text="hi", at=at)
        archive.append([UnsavedEntry(demo, comment, address=address)])

    for user, address in (("owl", "x"), ("owl", "y"), ("owl", "y"), ("fox", "x"), ("cat", "")):
        post(user, address)
    assert [archive.find_address(demo, user) for user in ("owl", "fox", "cat")] == ["y", "x", None]
    assert archive.find_address(music, "owl") is None
    day = 24 * 60 * 60 * 1_000
    post("owl", "y", at=day)
    while archive.has_old_addresses(demo, 2_000):
        archive.trim_addresses(demo, 2_000, 1)
    assert [archive.find_address(demo, user) for user in ("owl", "fox")] == ["y", None]
    post("fox", "x", at=day)
    assert open_archive().find_address(demo, "fox") == "x"


def test_each_database_hashes_addresses_with_a_secret_of_its_own(open_archive: OpenArchive) -> None:
    secret = open_archive().read_address_secret()
    assert secret == open_archive().read_address_secret()
    other = Archive("sqlite://")
    assert len(other.read_address_secret()) == len(secret) == 32
    assert hash_address(secret, "198.51.100.1") == hash_address(secret, "198.51.100.1")
    assert len({hash_address(key, ip) for key in (secret, other.read_address_secret())
                for ip in ("198.51.100.1", "198.51.100.2")}) == 4  # fmt: skip
    other.close()


def test_sanction_that_cannot_be_stored_is_in_no_table(
    open_archive: OpenArchive, path: Path
) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e").room_id
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON sanctions BEGIN SELECT RAISE(ABORT, 'full'); END"
        )
    with pytest.raises(SQLAlchemyError, match="full"):
        archive.append([UnsavedEntry(demo, None, None, begin(0))])
    assert archive.read_acts(demo, 0, 10) == []
    assert (read(archive), archive.find_rooms(["demo"])["demo"].acts) == ([], 0)


def test_room_with_ten_thousand_sanctions_opens_within_three_seconds(
    open_archive: OpenArchive, path: Path
) -> None:
    archive = open_archive()
    demo = archive.load_or_create_room("demo", "e").room_id
    acts = [begin(0, f"user-{number}") for number in range(10_000)]
    for start in range(0, len(acts), 1_000):
        batch = [UnsavedEntry(demo, None, None, act) for act in acts[start : start + 1_000]]
        archive.append(batch)
    archive.close()

    async def steps() -> None:
        async with make_opener(f"sqlite:///{path}")() as recorder:
            began = time.perf_counter()
            room = await recorder.journal.open_room("demo")
            sanctions = Sanctions(room.sanctions)
            assert time.perf_counter() - began < 3
            assert len(sanctions) == 10_000
            assert check(sanctions, "user-9999") == ("muted", None)

    run(steps)
