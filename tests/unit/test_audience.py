"""Waves over real sockets: what slow, late, paused and compressed viewers get."""

from __future__ import annotations

import json
import socket

from chat.core.comment import Role
from chat.core.history import HISTORY_LIMIT
from chat.fanout.batch_cache import BATCH_LIMIT, DEFLATE
from tests.support.audience_harness import (
    AudienceHarness,
    SocketViewer,
    assert_gapless,
    list_covered,
    list_seqs,
)


def test_wave_sends_the_same_bytes_to_all_in_one_frame(harness: AudienceHarness) -> None:
    viewers = [harness.add(SocketViewer()) for _ in range(3)]
    harness.post(5)
    harness.wave()
    received = {bytes(viewer.received) for viewer in viewers if not viewer.drain()}
    assert len(received) == 1
    assert list_covered(viewers[0].messages()) == [("batch", 1, 5)]


def test_empty_room_schedules_nothing_after_its_last_viewer_left(harness: AudienceHarness) -> None:
    viewer = harness.add(SocketViewer())
    harness.wave()
    harness.audience.remove(viewer)
    harness.post(3)
    assert not harness.wave()
    assert not harness.audience.count_waiting()
    assert not harness.audience.count_is_stale


def test_viewer_with_bodies_of_its_own_gets_these_and_the_others_the_public_ones(
    harness: AudienceHarness,
) -> None:
    own, other = harness.add(SocketViewer()), harness.add(SocketViewer())
    harness.post(1)
    harness.wave()
    body = b'{"kind":"comment","seq":3,"text":"mine"}'
    harness.audience.set_private(own, {3: body}.get)
    harness.post(3)
    harness.waves()
    harness.audience.set_private(own, None)
    harness.post(1)
    harness.waves()
    for viewer in (own, other):
        assert_gapless(viewer.messages(), 5)
        texts = [entry.get("text") for one in viewer.messages() for entry in one.get("entries", [])]
        assert (texts[2] == "mine") == (viewer is own)
        assert "mine" not in texts[:2] + texts[3:]


def test_viewer_that_joined_between_two_waves_gets_no_entry_twice(harness: AudienceHarness) -> None:
    early = harness.add(SocketViewer())
    harness.post(4)
    late = harness.add(SocketViewer())  # its welcome had all four
    harness.post(2)
    harness.waves()
    assert_gapless(early.messages(), 6)
    assert list_covered(late.messages()) == [("batch", 5, 6)]


def test_viewer_that_drains_late_gets_exactly_the_range_it_missed(harness: AudienceHarness) -> None:
    slow, fast = harness.add(SocketViewer(buffer=4_096)), harness.add(SocketViewer())
    while slow.writable:
        harness.post(20)
        harness.wave()
        fast.drain()
    harness.post(300)
    harness.waves()
    assert_gapless(fast.messages(), harness.history.head)
    assert slow.cursor < harness.history.head
    slow.drain()
    while slow.cursor < harness.history.head:
        harness.audience.catch_up(slow)
        slow.drain()
    assert_gapless(slow.messages(), harness.history.head)
    assert list_seqs(slow.messages()) == list(range(1, harness.history.head + 1))


def test_viewer_behind_the_history_gets_a_skip_of_the_range_it_lost(
    harness: AudienceHarness,
) -> None:
    slow, fast = harness.add(SocketViewer(buffer=4_096)), harness.add(SocketViewer())
    while slow.writable:
        harness.post(20)
        harness.wave()
        fast.drain()
    stood_at = slow.cursor
    for _ in range(5):
        harness.post(HISTORY_LIMIT // 2)
        harness.waves()
        fast.drain()
    slow.drain()
    while slow.cursor < harness.history.head:
        harness.audience.catch_up(slow)
        slow.drain()
    messages = slow.messages()
    assert_gapless(messages, harness.history.head)
    assert [message for message in messages if message["type"] == "skip"] == [
        {
            "type": "skip",
            "first": stood_at + 1,
            "last": harness.history.first - 1,
            "why": "slow",
            "settings": {},
        }
    ]


def test_wave_that_comes_after_the_history_moved_on_skips_and_goes_on_in_order(
    harness: AudienceHarness,
) -> None:
    viewer = harness.add(SocketViewer())
    harness.post(10)
    harness.wave()
    harness.post(2 * HISTORY_LIMIT + BATCH_LIMIT)  # while the loop was held up
    while harness.audience.count_waiting():
        harness.wave()
        viewer.drain()
        harness.audience.catch_up(viewer)
    assert_gapless(viewer.messages(), harness.history.head)


def test_paused_viewer_is_no_part_of_a_wave_and_resumes_from_its_cursor(
    harness: AudienceHarness,
) -> None:
    paused, watching = harness.add(SocketViewer()), harness.add(SocketViewer())
    harness.audience.pause(paused)
    harness.post(7)
    harness.waves()
    assert list_seqs(paused.messages()) == []
    harness.audience.resume(paused)
    assert_gapless(paused.messages(), 7)
    assert list_seqs(paused.messages()) == list_seqs(watching.messages())


def test_viewer_paused_for_too_long_gets_a_skip_of_the_trimmed_range(
    harness: AudienceHarness,
) -> None:
    paused, watching = harness.add(SocketViewer()), harness.add(SocketViewer())
    harness.audience.pause(paused)
    harness.post(3 * HISTORY_LIMIT)
    while harness.audience.count_waiting():
        harness.wave()
        watching.drain()
    harness.audience.resume(paused)
    while paused.cursor < harness.history.head:
        paused.drain()
        harness.audience.catch_up(paused)
    messages = paused.messages()
    assert messages[0]["why"] == "trimmed"
    assert_gapless(messages, harness.history.head)


def test_flood_is_thinned_alike_for_all_and_counted_in_the_batch() -> None:
    harness = AudienceHarness(delivery_rate=10)
    plain, packed = harness.add(SocketViewer()), harness.add(SocketViewer(DEFLATE))
    harness.wave()
    harness.post(30, user="chatty")
    harness.post(2, user="host", role=Role.HOST)
    harness.post(3, user="quiet")
    harness.wave()
    batches = [message for message in plain.messages() if message["type"] == "batch"]
    assert [message for message in packed.messages() if message["type"] == "batch"] == batches
    (batch,) = batches
    kept = [entry["user"] for entry in batch["entries"]]
    assert len(kept) == 10
    assert batch["thinned"] == 25
    assert (batch["first"], batch["last"]) == (1, 35)
    assert kept.count("host") == 2
    assert kept.count("quiet") == 3  # the first comment of each sender before the second of any
    for viewer in harness.viewers:
        viewer.close()


def test_lagging_viewer_gets_the_same_thinned_selection_as_the_others() -> None:
    harness = AudienceHarness(delivery_rate=10)
    on_time, late = harness.add(SocketViewer()), harness.add(SocketViewer())
    late.stall()
    for _ in range(3):
        harness.post(40)
        harness.wave()
    late.drain()
    harness.audience.catch_up(late)
    assert list_seqs(late.messages()) == list_seqs(on_time.messages())
    assert_gapless(late.messages(), harness.history.head)
    for viewer in harness.viewers:
        viewer.close()


def test_wave_is_compressed_only_for_viewers_that_negotiated_it(
    harness: AudienceHarness,
) -> None:
    plain, packed = harness.add(SocketViewer()), harness.add(SocketViewer(DEFLATE))
    harness.post(40)
    harness.wave()
    assert packed.messages() == plain.messages()
    assert len(packed.received) < len(plain.received)
    body = json.dumps(harness.history.slice(1, 1)[0].decode())
    assert body[1:20].replace("\\", "").encode() in plain.received


def test_viewer_whose_send_raises_is_dropped_and_others_get_the_wave(
    harness: AudienceHarness,
) -> None:
    broken, well = harness.add(SocketViewer()), harness.add(SocketViewer())
    broken.far.close()
    broken.near.shutdown(socket.SHUT_WR)
    harness.post(1)
    harness.wave()
    assert broken.aborted
    assert list_seqs(well.messages()) == [1]


def test_only_viewer_resumes_after_a_comment_during_its_pause(harness: AudienceHarness) -> None:
    viewer = harness.add(SocketViewer())
    harness.wave()  # sends only the count
    harness.audience.pause(viewer)
    harness.post(3)
    harness.wave()
    harness.audience.resume(viewer)
    assert_gapless(viewer.messages(), 3)


def test_paused_viewer_is_not_served_when_its_socket_drains(harness: AudienceHarness) -> None:
    paused, watching = harness.add(SocketViewer()), harness.add(SocketViewer())
    harness.audience.pause(paused)
    harness.post(3)
    harness.waves()
    harness.audience.catch_up(paused)
    assert list_seqs(paused.messages()) == []
    assert list_seqs(watching.messages()) == [1, 2, 3]


def test_viewer_that_drains_when_the_history_has_moved_beyond_the_waves_loses_no_order(
    harness: AudienceHarness,
) -> None:
    late, watching = harness.add(SocketViewer()), harness.add(SocketViewer())
    late.stall()
    harness.post(100)
    harness.waves()
    harness.post(3 * HISTORY_LIMIT)  # and no wave yet
    late.drain()
    harness.audience.catch_up(late)
    while harness.audience.count_waiting():
        harness.wave()
        late.drain()
        watching.drain()
    assert_gapless(late.messages(), harness.history.head)
    assert_gapless(watching.messages(), harness.history.head)


def test_history_json_is_cached_for_a_few_sizes(
    harness: AudienceHarness,
) -> None:
    harness.post(300)
    assert harness.audience.recent(50) is harness.audience.recent(50)
    for count in range(300):
        assert len(json.loads(bytes(harness.audience.recent(count)))) == count


def test_entries_beyond_a_batch_take_several_waves(harness: AudienceHarness) -> None:
    viewer = harness.add(SocketViewer(buffer=1 << 20))
    harness.post(2 * BATCH_LIMIT + 1)
    harness.waves()
    assert [last for _, _, last in list_covered(viewer.messages())] == [
        BATCH_LIMIT,
        2 * BATCH_LIMIT,
        2 * BATCH_LIMIT + 1,
    ]


def test_thinned_flood_leaves_no_viewer_lagging() -> None:
    harness = AudienceHarness(delivery_rate=10)
    viewer = harness.add(SocketViewer())
    harness.post(3 * BATCH_LIMIT)
    harness.wave()
    assert not harness.audience.count_waiting()
    assert_gapless(viewer.messages(), 3 * BATCH_LIMIT)
    viewer.close()


def test_nothing_is_thinned_while_all_viewers_are_paused() -> None:
    harness = AudienceHarness(delivery_rate=10)
    viewer = harness.add(SocketViewer())
    harness.audience.pause(viewer)
    harness.post(100)
    harness.waves()
    harness.audience.resume(viewer)
    assert len(list_seqs(viewer.messages())) == 100
    viewer.close()


def test_metrics_count_deliveries_and_reported_gaps_per_viewer() -> None:
    harness = AudienceHarness(delivery_rate=10, history_limit=20)
    watching = [harness.add(SocketViewer()) for _ in range(3)]
    late = [harness.add(SocketViewer()) for _ in range(2)]
    harness.waves()
    harness.post(1)
    harness.waves()
    for viewer in late:
        viewer.stall()
    for _ in range(5):
        harness.post(30)
        harness.waves()
    for viewer in late:
        viewer.drain()
        harness.audience.catch_up(viewer)
    handed = missed = 0
    for viewer in (*watching, *late):
        messages = viewer.messages()
        handed += len(list_seqs(messages))
        missed += sum(
            last - first + 1 for kind, first, last in list_covered(messages) if kind == "skip"
        )
    assert missed
    read = harness.metrics.registry.get_sample_value
    assert read("danmaku_deliveries_total") == handed
    assert read("danmaku_skipped_total") == missed
    for viewer in harness.viewers:
        viewer.close()
