"""A wave that is under way or broke off, and the rows it goes along while viewers come and go."""

from __future__ import annotations

from chat.core.pace import TAKE_UP_SECONDS
from chat.fanout.audience import SMALL_ROWS
from chat.fanout.pieces import BATCH_LIMIT
from chat.fanout.row import ROW_LIMIT
from tests.unit.audience_stage import (
    SocketViewer,
    Stage,
    assert_gapless,
    list_covered,
    list_seqs,
)


def test_wave_that_breaks_off_costs_those_it_did_not_reach_nothing(stage: Stage) -> None:
    viewers = [stage.add(SocketViewer()) for _ in range(3 * ROW_LIMIT)]
    stage.say(2)
    assert stage.audience.begin_wave(stage.clock)
    next(stage.audience.pass_on())  # and no further
    stage.say(1)
    stage.waves()
    for viewer in viewers:
        assert_gapless(viewer.messages(), 3)


def test_count_that_a_wave_broke_off_telling_is_told_to_all(stage: Stage) -> None:
    viewers = [stage.add(SocketViewer()) for _ in range(3 * ROW_LIMIT)]
    assert stage.audience.begin_wave(stage.clock)
    next(stage.audience.pass_on())  # and no further
    assert stage.audience.is_miscounted()
    stage.waves()
    for viewer in viewers:
        assert viewer.messages()[-1] == {"type": "viewers", "count": len(viewers)}


def test_wave_brings_what_comes_while_it_runs_to_those_it_still_meets(stage: Stage) -> None:
    viewers = [stage.add(SocketViewer()) for _ in range(2 * ROW_LIMIT)]
    stage.waves()
    stage.say(1)
    assert stage.audience.begin_wave(stage.clock)
    steps = stage.audience.pass_on()
    next(steps)
    stage.say(1)
    stage.audience.take_up_more(stage.clock)  # too soon: each time costs a batch of its own
    assert stage.audience.sent == 1
    stage.audience.take_up_more(stage.clock + 2 * TAKE_UP_SECONDS)
    for _ in steps:
        pass
    assert list_covered(viewers[0].messages()) == [("batch", 1, 1)]
    assert list_covered(viewers[-1].messages()) == [("batch", 1, 2)]
    stage.wave()
    assert list_covered(viewers[0].messages()) == [("batch", 1, 1), ("batch", 2, 2)]
    assert list_covered(viewers[-1].messages()) == [("batch", 1, 2)]
    assert not stage.audience.count_waiting()


def test_viewer_who_has_left_is_told_to_be_gone_to_whom_it_was_counted_for(stage: Stage) -> None:
    first = stage.add(SocketViewer())
    stage.waves()  # the count is one
    second = stage.add(SocketViewer())  # its welcome says two
    stage.audience.remove(first)
    stage.waves()  # it is one again, as was told; but not to the second
    assert second.messages()[-1] == {"type": "viewers", "count": 1}


def test_rows_that_pausing_has_emptied_are_let_go(stage: Stage) -> None:
    viewers = [stage.add(SocketViewer()) for _ in range(2 * ROW_LIMIT)]
    stage.waves()
    for viewer in viewers:
        stage.audience.pause(viewer)
    stage.say(2 * BATCH_LIMIT)
    stage.waves()
    stage.audience.resume(viewers[0])
    stage.say(1)
    assert stage.wave()
    assert not stage.audience.count_waiting()  # no more waves, for rows where nobody stands


def test_viewer_that_joins_within_a_wave_gets_what_comes_after_it(stage: Stage) -> None:
    early = [stage.add(SocketViewer()) for _ in range(ROW_LIMIT + 1)]
    stage.say(2)
    assert stage.audience.begin_wave(stage.clock)
    steps = stage.audience.pass_on()
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
