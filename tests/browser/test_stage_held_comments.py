"""Held comments and those behind them: none touch, and all resume."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from tests.browser.stage_page import add_comment, box, wait_until_left

LOAD_WIDER_FONT = """() => {
    const wider = '.comment { letter-spacing: 8px; padding-block: 5px }';
    document.styleSheets[0].insertRule(wider);
    document.fonts.dispatchEvent(new Event('loadingdone'));
}"""

# Two comments in one lane, on a clock that the test sets: holding the first stops the second.
TWO_IN_A_LANE = """
    const { Lanes } = await import('/static/js/stage/lanes.js');
    const { HeldComments } = await import('/static/js/stage/held-comments.js');
    const band = { top: 0, bottom: 30 };
    const shape = { left: 1000, width: 100, height: 30, speed: 1, gap: 0 };
    const path = (from) => ({ ...shape, from, until: from + 1100 });
    const lanes = new Lanes();
    const clock = { time: 200, now: () => clock.time };
    const held = new HeldComments(lanes, clock, () => {});
    lanes.add(1, path(0), lanes.find(path(0), band, 0));
    lanes.add(2, path(200), lanes.find(path(200), band, 200));
"""


def run_with_two_in_a_lane(page: Page, script: str) -> Any:
    """Run a script with `lanes`, `held` and `clock`; returns what it returns."""
    return page.evaluate(f"async () => {{ {TWO_IN_A_LANE} {script} }}")


def test_comment_behind_a_held_one_stays_stopped_while_it_is_held(
    page: Page,
) -> None:
    waits = run_with_two_in_a_lane(
        page,
        """
        held.add(1);
        clock.time = 60_000; // longer than any of them would have been on the stage
        held.update();
        const { stoppedAt } = lanes.get(2);
        return stoppedAt !== null && stoppedAt <= clock.time;
        """,
    )
    assert waits


def test_expired_comment_cannot_be_held(page: Page) -> None:
    stands = run_with_two_in_a_lane(
        page, "clock.time = 1101; held.add(1); return lanes.get(1).stoppedAt;"
    )
    assert stands is None


def test_held_comment_that_grew_leaves_completely_after_its_release(page: Page) -> None:
    left, until = run_with_two_in_a_lane(
        page,
        """
        lanes.remove(2);
        held.add(1);
        clock.time = 60_000;
        held.update((now) => lanes.resize(1, { width: 110, height: 30 }, now));
        clock.time = 90_000;
        held.delete(1);
        const { leftAt } = await import('/static/js/stage/lanes.js');
        return [leftAt(lanes.get(1), clock.time), lanes.get(1).until - clock.time];
        """,
    )
    assert left == 800
    assert until == 800 + 110


def test_comments_behind_a_held_one_resume_when_a_new_font_removes_it(page: Page) -> None:
    below, held = page.evaluate(  # of two at once the newest goes first, and highest
        "['in its way, and as long', 'held, and as long as that'].map((text) => addComment(text))"
    )
    wait_until_left(page, held, 700)
    wait_until_left(page, below, 700)
    waits = add_comment(page, "waits")
    assert box(page, waits)["top"] == box(page, held)["top"]
    page.evaluate("(seq) => stage.hold(seq)", held)
    tail = box(page, held)["right"]
    page.evaluate(LOAD_WIDER_FONT)
    assert page.evaluate("boxes().map((box) => box.seq)") == [below, waits]
    wait_until_left(page, waits, tail - 100)
    assert page.evaluate("overlaps()") == []


def test_late_font_while_a_comment_is_held_makes_no_comments_touch(page: Page) -> None:
    page.evaluate("window.stop = startChatter(40); undefined")
    page.wait_for_function("() => comments().length > 60")
    held = page.wait_for_function(
        "() => boxes().find((box) => box.left > 100 && box.right < 1000)?.seq"
    ).json_value()
    page.evaluate("(seq) => stage.hold(seq)", held)
    page.evaluate(f"stop(); ({LOAD_WIDER_FONT})(); window.seen = watch(); undefined")
    assert page.evaluate("overlaps()") == []
    assert page.evaluate("comments().length") > 10
    page.evaluate("(seq) => stage.release(seq)", held)
    page.wait_for_function("() => comments().length < 10", timeout=20_000)
    assert page.evaluate("seen.overlaps") == []
