"""The pure parts of the stage: speeds, places, delays, groups."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.javascript import run

SECOND = 1000
MINUTE = 60 * SECOND

LAYOUT = """
import { DEFAULT_SETTINGS, changeSettings, computeGeometry, pathOf } from MODULE;
const settings = changeSettings(DEFAULT_SETTINGS, asked.settings ?? {});
const geometry = computeGeometry(asked.stage[0], asked.stage[1], settings);
"""


@pytest.mark.parametrize("speed", [0.5, 1, 4])
@pytest.mark.parametrize("stage", [(1920, 1080), (1280, 720), (390, 219), (200, 900)])
def test_no_comment_holds_its_lane_longer_than_twice_the_crossing_time(
    stage: tuple[int, int], speed: float
) -> None:
    widths = [30, 160, 600, 2500, 4753, 36_000]
    program = """
    const paths = asked.widths.map((width) =>
        pathOf({ mode: 'scroll', width, height: 34 }, geometry, settings, 0));
    answer(paths.map(({ until, speed }) => [until, speed]));
    """
    asked = {"stage": stage, "settings": {"speed": speed}, "widths": widths}
    paths = run("stage/geometry.js", LAYOUT + program, asked)
    assert max(until for until, _ in paths) <= 2 * 8 * SECOND / speed
    speeds = [speed for _, speed in paths]
    assert speeds == sorted(speeds)


def test_wide_comments_share_few_speeds() -> None:
    program = """
    const speeds = asked.widths.map((width) =>
        pathOf({ mode: 'scroll', width, height: 34 }, geometry, settings, 0).speed);
    answer(new Set(speeds).size);
    """
    asked = {"stage": [1280, 720], "widths": list(range(20, 36_000, 7))}
    assert run("stage/geometry.js", LAYOUT + program, asked) < 20


@pytest.mark.parametrize(
    ("height", "kept"),
    [
        pytest.param(219, 219 / 8, id="phone"),
        pytest.param(1080, 56, id="desktop"),
    ],
)
def test_hidden_bar_takes_at_most_an_eighth_of_the_height(height: int, kept: float) -> None:
    program = "answer((geometry.height - geometry.whole.bottom) * geometry.scale);"
    asked = {"stage": [height * 16 / 9, height], "settings": {"barPx": 56}}
    assert run("stage/geometry.js", LAYOUT + program, asked) == pytest.approx(kept)


PLACE = """
import { DEFAULT_SETTINGS, changeSettings, computeGeometry } from MODULE;
const { Lanes } = await import(new URL('lanes.js', MODULE));
const { Placement } = await import(new URL('placement.js', MODULE));
const settings = changeSettings(DEFAULT_SETTINGS, { barPx: 56 });
const geometry = computeGeometry(asked.stage[0], asked.stage[1], settings);
const lanes = new Lanes();
const placement = new Placement(lanes, geometry, settings);
const place = (seq, mode, own = false) => {
  const candidate = { entry: { seq, text: '', mode }, merged: [], own, readyAt: 0 };
  return placement.place(candidate, { width: 160, height: 34 }, 0, { start: 0, latest: 0 });
};
"""


def test_fixed_comments_take_at_most_a_third_of_a_small_stage_and_the_others_scroll() -> None:
    program = """
    const modes = ['top', 'bottom', 'top', 'bottom', 'top', 'bottom', 'top', 'scroll', 'scroll'];
    const boxes = modes.map((mode, index) => place(index + 1, mode));
    const fixed = boxes.filter((box) => box?.speed === 0);
    answer({
        share: fixed.length * 34 / (geometry.whole.bottom - geometry.whole.top),
        fixed: fixed.length,
        scrolling: boxes.filter((box) => box?.speed > 0).length,
    });
    """
    placed = run("stage/geometry.js", PLACE + program, {"stage": [390, 219]})
    assert placed["share"] <= 1 / 3
    assert placed["fixed"] >= 3
    assert placed["scrolling"] >= 6, "what cannot stand flies, and the lanes are left for it"


def test_lanes_reserved_on_a_small_stage_leave_two_thirds_for_scrolling() -> None:
    program = """
    for (let seq = 1; seq < 100; seq += 1) place(seq, seq % 2 ? 'top' : 'bottom');
    for (const { id } of [...lanes]) lanes.remove(id);
    answer(placement.freeLanes(1) * 34 / (geometry.whole.bottom - geometry.whole.top));
    """
    assert run("stage/geometry.js", PLACE + program, {"stage": [390, 219]}) > 0.55


def test_own_fixed_comment_has_a_place_beyond_the_third() -> None:
    program = """
    for (let seq = 1; seq < 5; seq += 1) place(seq, 'top');
    answer(place(9, 'top', true).speed);
    """
    assert run("stage/geometry.js", PLACE + program, {"stage": [390, 219]}) == 0


def ages_shown(arrivals: list[tuple[int, int]], rendered: int | None = None) -> list[int]:
    """Return the ages of the comments that get a lane; each arrives at a time with a stamp."""
    program = """
    import { PendingComments } from MODULE;
    const { ServerClock } = await import(new URL('server-clock.js', MODULE));
    const clock = new ServerClock();
    if (asked.rendered !== null) clock.observe(asked.rendered, asked.rendered + 100);
    const pending = new PendingComments(clock);
    const ages = [];
    let last = null;
    const take = () => {
        for (const { entry } of pending.takeDue(last, 0)) ages.push(last - entry.at);
        pending.putBack([]);
    };
    for (const [now, at] of asked.arrivals) {
        if (last !== null && now !== last) take();
        last = now;
        pending.add({ seq: at, text: '', at }, false, now);
    }
    take();
    answer(ages);
    """
    asked = {"arrivals": arrivals, "rendered": rendered}
    ages: list[int] = run("stage/pending-comments.js", program, asked)
    return ages


@pytest.mark.parametrize(
    "before",
    [
        pytest.param([(SECOND + 80, SECOND)], id="after a live comment"),
        pytest.param([], id="first after the page was rendered"),
    ],
)
def test_comments_held_up_for_a_minute_do_not_fly_when_they_arrive(
    before: list[tuple[int, int]],
) -> None:
    late = [(2 * SECOND + 87 * SECOND, 2 * SECOND + 500 * index) for index in range(30)]
    ages = ages_shown([*before, *late], rendered=500)
    assert len(ages) == len(before)


def test_comment_that_was_just_said_flies_although_others_were_held_up() -> None:
    now = 2 * MINUTE
    assert ages_shown([(1080, 1000), (now, 2000), (now, now - 90)], rendered=500)[1:] == [90]


def test_clock_of_the_server_that_was_set_back_is_followed_within_a_minute() -> None:
    before = [(second * SECOND, second * SECOND) for second in range(60)]
    after = [(second * SECOND, second * SECOND - 20_000) for second in range(60, 130)]
    ages = ages_shown(before + after)
    assert [age for age in ages[:60] if age != 0] == []
    assert len(ages) >= 60 + 10
    assert set(ages[60:]) == {20_000}


GROUP = """
import { mergeEqual, withoutWhere } from MODULE;
const candidate = (seq, text = '666') =>
    ({ entry: { seq, text }, merged: [], own: false, readyAt: 0 });
const [group] = mergeEqual(Array.from({ length: 200 }, (_, index) => candidate(index + 1)));
const summary = (left) => left && [left.entry.seq, left.merged.length + 1];
"""


def retract_of_group(retracted: list[int]) -> Any:
    """Retract from a group of comments 1 to 200; return the seq shown and the count."""
    program = "answer(summary(withoutWhere(group, ({ seq }) => asked.includes(seq))));"
    return run("stage/priority.js", GROUP + program, retracted)


def test_count_of_a_merged_group_follows_retractions() -> None:
    assert retract_of_group([]) == [200, 200]
    assert retract_of_group(list(range(1, 200))) == [200, 1]
    assert retract_of_group([200]) == [199, 199], "another one of the group is shown"
    assert retract_of_group(list(range(1, 201))) is None


@pytest.mark.parametrize(
    ("playback", "live", "moves"),
    [
        ("playing", False, True),
        ("paused", False, False),
        ("paused", True, False),
        ("waiting", False, False),
        ("waiting", True, True),
        ("ended", False, True),
    ],
)
def test_comments_move_by_what_the_video_does(playback: str, live: bool, moves: bool) -> None:
    program = "import { commentsMove } from MODULE; answer(commentsMove(...asked));"
    assert run("stage/playback.js", program, [playback, live]) is moves


@pytest.mark.parametrize(
    ("video", "playback"),
    [
        ({"paused": True, "ended": True, "readyState": 2}, "ended"),
        ({"paused": True, "readyState": 4}, "paused"),
        ({"paused": False, "readyState": 4}, "playing"),
        ({"paused": False, "readyState": 2}, "waiting"),
        ({"paused": True, "readyState": 0}, "playing"),
        ({"paused": False, "readyState": 1, "error": {"code": 4}}, "ended"),
    ],
    ids=["ended", "paused", "playing", "buffering", "nothing loaded", "failed"],
)
def test_playback_of_a_video(video: dict[str, Any], playback: str) -> None:
    program = """
    import { playbackOf } from MODULE;
    globalThis.HTMLMediaElement = { HAVE_NOTHING: 0, HAVE_FUTURE_DATA: 3 };
    answer(playbackOf({ ended: false, error: null, ...asked }));
    """
    assert run("stage/playback.js", program, video) == playback
