"""The model of the archive does what the archive does."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chat.archive import Archive, UnsavedEntry
from chat.core.comment import Comment
from chat.core.moderation.acts import ClearAct
from chat.core.retraction import Clear, ClearUser, Retraction
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
removals = st.one_of(
    st.builds(Retraction, seq=st.just(0), target=numbers, at=times),
    st.builds(Clear, seq=st.just(0), before=numbers, at=times),
    st.builds(ClearUser, seq=st.just(0), user=st.sampled_from("ab"), before=numbers, at=times),
)
acts = st.builds(ClearAct, at=times, by=st.just("mia"), by_name=st.just("Mia"), before=numbers)
entries = st.one_of(
    st.tuples(comments, st.sampled_from([None, "k1", "k2", "é"]), st.none()),
    st.tuples(removals, st.sampled_from([None, "retract:1"]), st.one_of(st.none(), acts)),
    st.tuples(
        st.builds(
            SettingsChange,
            seq=st.just(0),
            settings=st.builds(RoomSettings, title=st.sampled_from(["", "one", "two"])),
            at=times,
        ),
        st.none(),
        st.none(),
    ),
)
rooms = st.integers(0, 1)
operations = st.one_of(
    st.tuples(st.just("append"), st.lists(st.tuples(rooms, entries), max_size=6)),
    st.tuples(st.just("read"), rooms, st.integers(0, 12), st.integers(1, 5)),
    st.tuples(st.just("trim"), rooms, numbers),
    st.tuples(st.just("trim_acts"), rooms, times),
    st.tuples(st.just("has_old_acts"), rooms, times),
    st.tuples(st.just("read_acts"), rooms, st.integers(0, 3), st.integers(1, 3)),
    st.tuples(st.just("find_user"), rooms, st.sampled_from("ab"), st.integers(1, 3)),
    st.tuples(st.just("overwrite_cleared"), st.integers(1, 4)),
    st.tuples(st.just("find_old"), rooms, times, st.integers(1, 4), times),
    st.tuples(st.just("open_rooms"), st.sampled_from(["e1", None]), st.integers(1, 5)),
)


def limit_clear(entry: Any, head: int) -> Any:
    """A clear removes what there is; no later comment."""
    if isinstance(entry, Clear | ClearUser):
        return replace(entry, before=min(entry.before, head))
    return entry


def perform(archive: Any, ids: list[int], operation: tuple[Any, ...]) -> Any:
    name, *values = operation
    if name == "append":
        heads = {record.room_id: record.head for record in archive.find_rooms(ROOMS).values()}
        return archive.append(
            [
                UnsavedEntry(ids[room], limit_clear(entry, heads[ids[room]]), ref, act)
                for room, (entry, ref, act) in values[0]
            ]
        )
    if name == "open_rooms":
        return archive.open_rooms(dict.fromkeys((*ROOMS, "new"), values[0]), values[1])
    if name == "overwrite_cleared":
        return archive.overwrite_cleared(values[0])
    room, *rest = values
    return getattr(archive, name)(ids[room], *rest)


@settings(max_examples=40, deadline=None)
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
