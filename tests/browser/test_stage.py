"""The stage alone, in real Chromium: what flies, where, and that nothing ever touches."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.stage_page import FLYING, box, say, wait_until_left


def wait_for_samples(page: Page, more: int) -> None:
    """Wait until `watch` has looked that many times more."""
    samples = page.evaluate("seen.samples") + more
    page.wait_for_function(
        "(samples) => seen.samples >= samples", arg=samples, polling=50, timeout=30_000
    )


def test_no_two_comments_touch_under_random_input_resizes_and_hover(page: Page) -> None:
    page.evaluate("window.stop = chatter(45); window.seen = watch(); undefined")
    sizes = [(1920, 1080), (1280, 800), (390, 844), (1920, 1080), (900, 300), (1280, 800)]
    most = {}
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        for _ in range(3):
            wait_for_samples(page, 4)
            target = page.evaluate(
                "boxes().find((box) => box.left > 100 && box.right < innerWidth - 50) ?? null"
            )
            if target:
                page.mouse.move(target["left"] + 5, (target["top"] + target["bottom"]) / 2)
            wait_for_samples(page, 2)
        most[width, height] = page.evaluate("comments().length")
    page.evaluate("stop()")
    assert page.evaluate("seen.overlaps") == []
    assert most[1920, 1080] > 80


def test_comments_move_left_and_leave_the_stage_empty(page: Page) -> None:
    page.evaluate("stage.configure({speed: 2})")
    seq = say(page, "hello")
    first = box(page, seq)
    assert first["left"] > 640
    assert wait_until_left(page, seq, first["left"] - 300)["top"] == first["top"]
    page.wait_for_selector(FLYING, state="detached")
    assert page.evaluate("document.getAnimations().length") == 0


def test_lane_is_free_exactly_when_the_rule_says(page: Page) -> None:
    free = page.evaluate(
        """async () => {
            const { Lanes } = await import('/static/js/stage/lanes.js');
            const W = 1920, D = 8000, height = 30, band = { top: 0, bottom: 30 };
            const path = (width, from) =>
                ({ left: W, width, height, speed: (W + width) / D, from, until: from + D, gap: 0 });
            return [[100, 400], [400, 100], [250, 250], [30, 1500]].map(([first, second]) => {
                const widest = Math.max(first, second), rule = D * widest / (W + widest);
                const lanes = new Lanes();
                lanes.add(1, path(first, 0), 0);
                return [rule - 5, rule + 5].map(
                    (time) => lanes.find(path(second, time), band, time) !== null,
                );
            });
        }"""
    )
    assert free == [[False, True]] * 4


def test_beyond_capacity_own_then_staff_then_merged_then_newest(page: Page) -> None:
    order = page.evaluate(
        """async () => {
            const { mergeEqual, sortByPriority } = await import('/static/js/stage/priority.js');
            const candidate = (seq, text, more = {}, own = false) =>
                ({ entry: { seq, text, ...more }, own, count: 1, readyAt: 0 });
            const candidates = [
                candidate(1, 'old'), candidate(2, '666'),
                candidate(3, 'mod', { role: 'moderator' }), candidate(4, 'new'),
                candidate(5, ' 666 '), candidate(6, 'mine', {}, true),
                candidate(7, '666', { mode: 'top' }),
            ];
            const sorted = sortByPriority(mergeEqual(candidates));
            return sorted.map(({ entry, count }) => [entry.seq, count]);
        }"""
    )
    assert order == [[6, 1], [3, 1], [5, 2], [7, 1], [4, 1], [1, 1]]


def test_flood_shows_own_and_staff_merges_equals_counts_the_rest_and_queues_nothing(
    page: Page,
) -> None:
    page.evaluate(
        """() => {
            for (let index = 0; index < 600; index += 1) say(index % 3 ? `unlike ${index}` : '666');
            window.own = say('my own words', {}, { own: true });
            window.host = say('from the host', { role: 'host' });
        }"""
    )
    page.wait_for_function(
        "() => comments().some((element) => element.textContent === 'my own words')"
    )
    assert page.evaluate(
        "comments().some((element) => element.textContent.endsWith('from the host'))"
    )
    merged = page.evaluate(
        "comments().map((element) => element.textContent).filter((text) => text.startsWith('666'))"
    )
    assert merged == ["666×200"]
    page.wait_for_function("() => boxes().length + 199 + getDropped() === 602")
    before = page.evaluate("boxes().map((box) => box.seq)")
    page.wait_for_timeout(500)  # nothing may come late
    assert set(page.evaluate("boxes().map((box) => box.seq)")) <= set(before)
    assert page.evaluate("overlaps()") == []


def test_most_on_screen_holds_for_all_but_own(page: Page) -> None:
    page.evaluate(
        "stage.configure({maxOnScreen: 5}); for (let i = 0; i < 40; i += 1) say(`${i}`); undefined"
    )
    page.wait_for_function("() => getDropped() > 0")
    assert page.evaluate("comments().length") == 5
    say(page, "mine", own=True)
    assert page.evaluate("comments().length") == 6


def test_top_and_bottom_stand_in_the_middle_in_blocks(page: Page) -> None:
    boxes = page.evaluate(
        """() => {
            const sayNow = (text, mode) => { say(text, { mode }); scheduler.flush(); };
            sayNow('one', 'top');
            sayNow('another', 'top');
            sayNow('low', 'bottom');
            stage.configure({ reservedBottomPx: 60 });
            sayNow('above the bar', 'bottom');
            return boxes();
        }"""
    )
    first, second, low, lower = sorted(boxes, key=lambda place: place["seq"])
    assert first["bottom"] <= second["top"]
    assert low["bottom"] > 700
    assert lower["bottom"] <= 660
    for place in boxes:
        assert abs((place["left"] + place["right"]) / 2 - 640) < 2
    page.wait_for_selector(FLYING, state="detached", timeout=7000)


def test_own_standing_comment_is_shown_even_when_every_row_is_full_of_flight(page: Page) -> None:
    page.evaluate("window.stop = chatter(60); undefined")
    page.wait_for_function("() => getDropped() > 20")
    seq = say(page, "my own", own=True, mode="top")
    assert box(page, seq)["right"] > 0
    page.evaluate("stop()")


def test_area_limits_flight_to_the_upper_part(page: Page) -> None:
    page.evaluate(
        "stage.configure({area: 0.25}); for (let i = 0; i < 40; i += 1) say(`text ${i}`); undefined"
    )
    page.wait_for_selector(FLYING, state="attached")
    assert page.evaluate("Math.max(...boxes().map((box) => box.bottom))") <= 720 * 0.25 + 16
