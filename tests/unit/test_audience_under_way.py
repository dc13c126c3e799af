"""Waves that fail or are running while viewers join and leave."""

from __future__ import annotations

from chat.fanout.batch_cache import BATCH_LIMIT
from chat.fanout.members import SMALL_GROUPS
from chat.fanout.send_group import GROUP_LIMIT
from tests.support.audience_harness import (
    AudienceHarness,
    SocketViewer,
    assert_gapless,
    list_covered,
    list_seqs,
)


def test_failed_wave_loses_nothing_for_viewers_it_did_not_reach(harness: AudienceHarness) -> None:
    viewers = [harness.add(SocketViewer()) for _ in range(3 * GROUP_LIMIT)]
    harness.post(2)
    assert harness.audience.begin_wave(harness.clock)
    next(harness.audience.send_steps())  # and no further
    harness.post(1)
    harness.waves()
    for viewer in viewers:
        assert_gapless(viewer.messages(), 3)


def test_count_is_announced_again_after_a_failed_wave(harness: AudienceHarness) -> None:
    viewers = [harness.add(SocketViewer()) for _ in range(3 * GROUP_LIMIT)]
    assert harness.audience.begin_wave(harness.clock)
    next(harness.audience.send_steps())  # and no further
    assert harness.audience.count_is_stale
    harness.waves()
    for viewer in viewers:
        assert viewer.messages()[-1] == {"type": "viewers", "count": len(viewers)}


def test_wave_sends_what_arrives_meanwhile_to_viewers_not_yet_reached(
    harness: AudienceHarness,
) -> None:
    viewers = [harness.add(SocketViewer()) for _ in range(2 * GROUP_LIMIT)]
    harness.waves()
    harness.post(1)
    assert harness.audience.begin_wave(harness.clock)
    steps = harness.audience.send_steps()
    next(steps)
    harness.post(1)
    harness.audience.select_more(harness.clock)
    for _ in steps:
        pass
    assert list_covered(viewers[0].messages()) == [("batch", 1, 1)]
    assert list_covered(viewers[-1].messages()) == [("batch", 1, 2)]
    harness.wave()
    assert list_covered(viewers[0].messages()) == [("batch", 1, 1), ("batch", 2, 2)]
    assert list_covered(viewers[-1].messages()) == [("batch", 1, 2)]
    assert not harness.audience.count_waiting()


def test_departure_updates_count_for_new_joiner(harness: AudienceHarness) -> None:
    first = harness.add(SocketViewer())
    harness.waves()  # the count is one
    second = harness.add(SocketViewer())  # its welcome has two
    harness.audience.remove(first)
    harness.waves()  # it is one again, as was announced before; but not to the second
    assert second.messages()[-1] == {"type": "viewers", "count": 1}


def test_groups_emptied_by_pauses_are_dropped(harness: AudienceHarness) -> None:
    viewers = [harness.add(SocketViewer()) for _ in range(2 * GROUP_LIMIT)]
    harness.waves()
    for viewer in viewers:
        harness.audience.pause(viewer)
    harness.post(2 * BATCH_LIMIT)
    harness.waves()
    harness.audience.resume(viewers[0])
    harness.post(1)
    assert harness.wave()
    assert not harness.audience.count_waiting()  # no more waves for empty groups


def test_viewer_that_joins_within_a_wave_gets_what_comes_after_it(harness: AudienceHarness) -> None:
    early = [harness.add(SocketViewer()) for _ in range(GROUP_LIMIT + 1)]
    harness.post(2)
    assert harness.audience.begin_wave(harness.clock)
    steps = harness.audience.send_steps()
    next(steps)  # the wave has not reached the last group, which is not full
    late = harness.add(SocketViewer())
    for _ in steps:
        pass
    harness.post(1)
    harness.waves()
    assert list_seqs(late.messages()) == [3]
    assert_gapless(early[-1].messages(), 3)


def test_groups_that_many_have_left_are_merged(harness: AudienceHarness) -> None:
    viewers = [harness.add(SocketViewer()) for _ in range(2 * SMALL_GROUPS * GROUP_LIMIT)]
    harness.wave()
    stayed = viewers[:: GROUP_LIMIT // 2]
    for viewer in set(viewers) - set(stayed):
        harness.audience.remove(viewer)
    harness.post(1)
    harness.waves()
    assert len({id(viewer.position) for viewer in stayed}) == 1
    for viewer in stayed:
        assert list_seqs(viewer.messages()) == [1]
