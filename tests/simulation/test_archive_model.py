"""The model of the archive does what the archive does."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chat.archive import Archive, UnsavedEntry
from chat.core.comment import Comment
from chat.core.retraction import Retraction
from chat.core.room_settings import RoomSettings, SettingsChange
from tests.simulation.archive import ArchiveModel, Disk

ROOMS = ("demo", "music")
numbers = st.integers(1, 12)
times = st.integers(0, 40)
comments = st.builds(
    lambda user, text, at: Comment(seq=0, user=user, name="Owl", text=text, at=at),
    st.sampled_from("ab"),
    st.sampled_from(["hi", "弹幕", '"\\']),
    times,
)
entries = st.one_of(
    st.tuples(comments, st.sampled_from([None, "k1", "k2", "é"])),
    st.tuples(st.builds(Retraction, seq=st.just(0), target=numbers, at=times), st.none()),
    st.tuples(
        st.builds(
            SettingsChange,
            seq=st.just(0),
            settings=st.builds(RoomSettings, title=st.sampled_from(["", "one", "two"])),
            at=times,
        ),
        st.none(),
    ),
)
rooms = st.integers(0, 1)
operations = st.one_of(
    st.tuples(st.just("append"), st.lists(st.tuples(rooms, entries), max_size=6)),
    st.tuples(st.just("read"), rooms, st.integers(0, 12), st.integers(1, 5)),
    st.tuples(st.just("trim"), rooms, numbers),
    st.tuples(st.just("find_old"), rooms, times, st.integers(1, 4), times),
    st.tuples(st.just("open_rooms"), st.sampled_from(["e1", None]), st.integers(1, 5)),
)


def perform(archive: Any, ids: list[int], operation: tuple[Any, ...]) -> Any:
    name, *values = operation
    if name == "append":
        return archive.append(
            [UnsavedEntry(ids[room], entry, ref) for room, (entry, ref) in values[0]]
        )
    if name == "open_rooms":
        return archive.open_rooms(dict.fromkeys((*ROOMS, "new"), values[0]), values[1])
    room, *rest = values
    return getattr(archive, name)(ids[room], *rest)


@settings(max_examples=60, deadline=None)
@given(st.lists(operations, max_size=12))
def test_model_and_archive_return_the_same(steps: list[tuple[Any, ...]]) -> None:
    disk = Disk()
    archives: list[Any] = [Archive("sqlite://"), ArchiveModel(disk)]
    ids = [[one.load_or_create_room(name, "e0").room_id for name in ROOMS] for one in archives]
    assert ids[0] == ids[1]
    for step in [*steps, ("open_rooms", None, 20)]:
        results = [
            perform(archive, room_ids, step)
            for archive, room_ids in zip(archives, ids, strict=True)
        ]
        assert results[0] == results[1], step
    archives[0].close()
    # What a process leaves on its disk, another one finds.
    assert ArchiveModel(disk).find_rooms(ROOMS) == archives[1].find_rooms(ROOMS)
