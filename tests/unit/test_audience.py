"""Waves, over real sockets: what each viewer gets, whoever is slow, late, paused or compressed."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from chat.core.comment import Role
from chat.core.frames import build_frame
from chat.core.history import HISTORY_LIMIT
from chat.fanout.audience import SMALL_ROWS
from chat.fanout.pieces import BATCH_LIMIT, DEFLATE
from chat.fanout.row import ROW_LIMIT
from tests.unit.audience_stage import (
    SocketViewer,
    Stage,
    assert_gapless,
    list_covered,
    list_seqs,
)


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    for viewer in made.viewers:
        viewer.close()


def test_wave_sends_the_same_bytes_to_all_in_one_frame(stage: Stage) -> None:
    viewers = [stage.add(SocketViewer()) for _ in range(3)]
    stage.say(5)
    stage.wave()
    received = {bytes(viewer.received) for viewer in viewers if not viewer.drain()}
    assert len(received) == 1
    assert list_covered(viewers[0].messages()) == [("batch", 1, 5)]


def test_empty_room_plans_nothing_more_after_its_last_viewer_left(stage: Stage) -> None:
    viewer = stage.add(SocketViewer())
    stage.wave()
    stage.audience.remove(viewer)
    stage.say(3)
    assert not stage.wave()
    assert not stage.audience.count_waiting()
    assert not stage.audience.is_miscounted()


def test_viewer_that_joined_between_two_waves_gets_no_entry_twice(stage: Stage) -> None:
    early = stage.add(SocketViewer())
    stage.say(4)
    late = stage.add(SocketViewer())  # its welcome had all four
    stage.say(2)
    stage.waves()
    assert_gapless(early.messages(), 6)
    assert list_covered(late.messages()) == [("batch", 5, 6)]


def test_viewer_that_drains_late_gets_exactly_the_range_it_missed(stage: Stage) -> None:
    slow, fast = stage.add(SocketViewer(buffer=4_096)), stage.add(SocketViewer())
    while slow.ready:
        stage.say(20)
        stage.wave()
        fast.drain()
    stage.say(300)
    stage.waves()
    assert_gapless(fast.messages(), stage.history.head)
    assert slow.cursor < stage.history.head
    slow.drain()
    while slow.cursor < stage.history.head:
        stage.audience.serve(slow)
        slow.drain()
    assert_gapless(slow.messages(), stage.history.head)
    assert list_seqs(slow.messages()) == list(range(1, stage.history.head + 1))


def test_viewer_that_fell_off_the_history_is_told_the_range_it_lost(stage: Stage) -> None:
    slow, fast = stage.add(SocketViewer(buffer=4_096)), stage.add(SocketViewer())
    while slow.ready:
        stage.say(20)
        stage.wave()
        fast.drain()
    stood_at = slow.cursor
    for _ in range(5):
        stage.say(HISTORY_LIMIT // 2)
        stage.waves()
        fast.drain()
    slow.drain()
    while slow.cursor < stage.history.head:
        stage.audience.serve(slow)
        slow.drain()
    messages = slow.messages()
    assert_gapless(messages, stage.history.head)
    assert [message for message in messages if message["type"] == "skip"] == [
        {
            "type": "skip",
            "first": stood_at + 1,
            "last": stage.history.first - 1,
            "why": "slow",
            "settings": {},
        }
    ]


def test_wave_that_comes_after_the_history_moved_on_skips_and_goes_on_in_order(
    stage: Stage,
) -> None:
    viewer = stage.add(SocketViewer())
    stage.say(10)
    stage.wave()
    stage.say(2 * HISTORY_LIMIT + BATCH_LIMIT)  # while the loop was held up
    while stage.audience.count_waiting():
        stage.wave()
        viewer.drain()
        stage.audience.serve(viewer)
    assert_gapless(viewer.messages(), stage.history.head)


def test_paused_viewer_is_no_part_of_a_wave_and_resumes_from_its_cursor(stage: Stage) -> None:
    paused, watching = stage.add(SocketViewer()), stage.add(SocketViewer())
    stage.audience.pause(paused)
    stage.say(7)
    stage.waves()
    assert list_seqs(paused.messages()) == []
    stage.audience.resume(paused)
    assert_gapless(paused.messages(), 7)
    assert list_seqs(paused.messages()) == list_seqs(watching.messages())


def test_viewer_paused_for_too_long_is_told_what_was_trimmed(stage: Stage) -> None:
    paused, watching = stage.add(SocketViewer()), stage.add(SocketViewer())
    stage.audience.pause(paused)
    stage.say(3 * HISTORY_LIMIT)
    while stage.audience.count_waiting():
        stage.wave()
        watching.drain()
    stage.audience.resume(paused)
    while paused.cursor < stage.history.head:
        paused.drain()
        stage.audience.serve(paused)
    messages = paused.messages()
    assert messages[0]["why"] == "trimmed"
    assert_gapless(messages, stage.history.head)


def test_flood_is_thinned_alike_for_all_and_the_count_is_told() -> None:
    stage = Stage(delivery_rate=10)
    plain, packed = stage.add(SocketViewer()), stage.add(SocketViewer(DEFLATE))
    stage.wave()
    stage.say(30, user="chatty")
    stage.say(2, user="host", role=Role.HOST)
    stage.say(3, user="quiet")
    stage.wave()
    batches = [message for message in plain.messages() if message["type"] == "batch"]
    assert [message for message in packed.messages() if message["type"] == "batch"] == batches
    (batch,) = batches
    kept = [entry["user"] for entry in batch["entries"]]
    assert len(kept) == 10
    assert batch["thinned"] == 25
    assert (batch["first"], batch["last"]) == (1, 35)
    assert kept.count("host") == 2
    assert kept.count("quiet") == 3  # fairly: everybody's first before anybody's second
    for viewer in stage.viewers:
        viewer.close()


def test_late_viewer_is_left_out_the_same_comments_as_the_others() -> None:
    stage = Stage(delivery_rate=10)
    on_time, late = stage.add(SocketViewer()), stage.add(SocketViewer())
    late.stall()
    for _ in range(3):
        stage.say(40)
        stage.wave()
    late.drain()
    stage.audience.serve(late)
    assert list_seqs(late.messages()) == list_seqs(on_time.messages())
    assert_gapless(late.messages(), stage.history.head)
    for viewer in stage.viewers:
        viewer.close()


def test_wave_is_compressed_for_those_who_asked_and_plain_for_the_others(stage: Stage) -> None:
    plain, packed = stage.add(SocketViewer()), stage.add(SocketViewer(DEFLATE))
    stage.say(40)
    stage.wave()
    assert packed.messages() == plain.messages()
    assert len(packed.received) < len(plain.received)
    body = json.dumps(stage.history.slice(1, 1)[0].decode())
    assert body[1:20].replace("\\", "").encode() in plain.received


def test_broken_viewer_is_let_go_and_the_others_get_their_wave(stage: Stage) -> None:
    broken, well = stage.add(SocketViewer()), stage.add(SocketViewer())
    broken.far.close()
    broken.near.shutdown(socket.SHUT_WR)
    stage.say(1)
    stage.wave()
    assert broken.gone
    assert list_seqs(well.messages()) == [1]


def test_frame_that_the_kernel_took_in_part_is_finished_before_anything_else(stage: Stage) -> None:
    slow = stage.add(SocketViewer(buffer=4_096))
    while slow.ready:
        stage.say(30)
        stage.wave()
    assert slow.waiting
    # A pong of its own comes behind what waits, never into the middle of a frame.
    slow.waiting += build_frame(0xA, b"pong")
    stage.say(5)
    stage.wave()
    assert_gapless(slow.messages(), slow.cursor)


def test_lone_viewer_that_paused_while_somebody_spoke_resumes(stage: Stage) -> None:
    viewer = stage.add(SocketViewer())
    stage.wave()  # tells the count, and leads nowhere
    stage.audience.pause(viewer)
    stage.say(3)
    stage.wave()
    stage.audience.resume(viewer)
    assert_gapless(viewer.messages(), 3)


def test_paused_viewer_is_not_served_when_its_socket_drains(stage: Stage) -> None:
    paused, watching = stage.add(SocketViewer()), stage.add(SocketViewer())
    stage.audience.pause(paused)
    stage.say(3)
    stage.waves()
    assert stage.audience.serve(paused) == 0
    assert list_seqs(watching.messages()) == [1, 2, 3]


def test_viewer_that_drains_when_the_history_has_moved_beyond_the_waves_loses_no_order(
    stage: Stage,
) -> None:
    late, watching = stage.add(SocketViewer()), stage.add(SocketViewer())
    late.stall()
    stage.say(100)
    stage.waves()
    stage.say(3 * HISTORY_LIMIT)  # and no wave yet
    late.drain()
    stage.audience.serve(late)
    while stage.audience.count_waiting():
        stage.wave()
        late.drain()
        watching.drain()
    assert_gapless(late.messages(), stage.history.head)
    assert_gapless(watching.messages(), stage.history.head)


def test_history_is_made_once_for_all_who_join_and_kept_for_few_counts(stage: Stage) -> None:
    stage.say(300)
    assert stage.audience.recent(50) is stage.audience.recent(50)
    for count in range(300):
        assert len(json.loads(bytes(stage.audience.recent(count)))) == count


def test_wave_that_breaks_off_costs_those_it_did_not_reach_nothing(stage: Stage) -> None:
    viewers = [stage.add(SocketViewer()) for _ in range(3 * ROW_LIMIT)]
    stage.say(2)
    wave = stage.audience.prepare_wave(stage.clock)
    assert wave is not None
    next(stage.audience.pass_on(wave))  # and no further
    stage.say(1)
    stage.waves()
    for viewer in viewers:
        assert_gapless(viewer.messages(), 3)


def test_viewer_that_joins_within_a_wave_gets_what_comes_after_it(stage: Stage) -> None:
    early = [stage.add(SocketViewer()) for _ in range(ROW_LIMIT + 1)]
    stage.say(2)
    wave = stage.audience.prepare_wave(stage.clock)
    assert wave is not None
    steps = stage.audience.pass_on(wave)
    next(steps)  # the last row still stands before the wave, and has room
    late = stage.add(SocketViewer())
    for _ in steps:
        pass
    stage.say(1)
    stage.waves()
    assert list_seqs(late.messages()) == [3]
    assert_gapless(early[-1].messages(), 3)


def test_rows_that_many_have_left_are_closed_up(stage: Stage) -> None:
    viewers = [stage.add(SocketViewer()) for _ in range(2 * SMALL_ROWS * ROW_LIMIT)]
    stage.wave()
    stayed = viewers[:: ROW_LIMIT // 2]
    for viewer in set(viewers) - set(stayed):
        stage.audience.remove(viewer)
    stage.say(1)
    stage.waves()
    assert len({id(viewer.row) for viewer in stayed}) == 1
    for viewer in stayed:
        assert list_seqs(viewer.messages()) == [1]
