"""Waves, over real sockets: what each viewer gets, whoever is slow, late, paused or compressed."""

from __future__ import annotations

import json
import socket

from chat.core.comment import Role
from chat.core.history import HISTORY_LIMIT
from chat.fanout.pieces import BATCH_LIMIT, DEFLATE
from tests.unit.audience_stage import (
    SocketViewer,
    Stage,
    assert_gapless,
    list_covered,
    list_seqs,
)


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
        stage.audience.catch_up(slow)
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
        stage.audience.catch_up(slow)
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
        stage.audience.catch_up(viewer)
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
        stage.audience.catch_up(paused)
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
    stage.audience.catch_up(late)
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
    stage.audience.catch_up(paused)
    assert list_seqs(paused.messages()) == []
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
    stage.audience.catch_up(late)
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


def test_more_than_a_batch_holds_takes_several_waves(stage: Stage) -> None:
    viewer = stage.add(SocketViewer(buffer=1 << 20))
    stage.say(2 * BATCH_LIMIT + 1)
    stage.waves()
    assert [last for _, _, last in list_covered(viewer.messages())] == [
        BATCH_LIMIT,
        2 * BATCH_LIMIT,
        2 * BATCH_LIMIT + 1,
    ]


def test_flood_that_is_thinned_leaves_nobody_behind() -> None:
    stage = Stage(delivery_rate=10)
    viewer = stage.add(SocketViewer())
    stage.say(3 * BATCH_LIMIT)
    stage.wave()
    assert not stage.audience.count_waiting()
    assert_gapless(viewer.messages(), 3 * BATCH_LIMIT)
    viewer.close()


def test_nothing_is_left_out_where_all_pause() -> None:
    stage = Stage(delivery_rate=10)
    viewer = stage.add(SocketViewer())
    stage.audience.pause(viewer)
    stage.say(100)
    stage.waves()
    stage.audience.resume(viewer)
    assert len(list_seqs(viewer.messages())) == 100
    viewer.close()


def test_metrics_count_what_each_viewer_was_handed_and_what_it_was_told_to_have_missed() -> None:
    stage = Stage(delivery_rate=10, history_limit=20)
    watching = [stage.add(SocketViewer()) for _ in range(3)]
    late = [stage.add(SocketViewer()) for _ in range(2)]
    stage.waves()
    stage.say(1)
    stage.waves()
    for viewer in late:
        viewer.stall()
    for _ in range(5):
        stage.say(30)
        stage.waves()
    for viewer in late:
        viewer.drain()
        stage.audience.catch_up(viewer)
    handed = missed = 0
    for viewer in (*watching, *late):
        messages = viewer.messages()
        handed += len(list_seqs(messages))
        missed += sum(
            last - first + 1 for kind, first, last in list_covered(messages) if kind == "skip"
        )
    assert missed
    read = stage.metrics.registry.get_sample_value
    assert read("danmaku_deliveries_total") == handed
    assert read("danmaku_skipped_total") == missed
    for viewer in stage.viewers:
        viewer.close()
