"""The stage alone, in real Chromium: which comments it shows, where, and that none touch."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.stage_page import ON_STAGE, add_comment, box, wait_until_left


def wait_for_samples(page: Page, more: int) -> None:
    """Wait until `watch` has taken that many more samples."""
    samples = page.evaluate("seen.samples") + more
    page.wait_for_function(
        "(samples) => seen.samples >= samples", arg=samples, polling=50, timeout=30_000
    )


def test_no_two_comments_touch_under_random_input_resizes_and_hover(page: Page) -> None:
    page.evaluate("window.stop = startChatter(45); window.seen = watch(); undefined")
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


def test_comments_move_left_until_the_stage_is_empty(page: Page) -> None:
    page.evaluate("stage.configure({speed: 2})")
    seq = add_comment(page, "hello")
    first = box(page, seq)
    assert first["left"] > 640
    assert wait_until_left(page, seq, first["left"] - 300)["top"] == first["top"]
    page.wait_for_selector(ON_STAGE, state="detached")
    assert page.evaluate("document.getAnimations().length") == 0


def test_lane_is_free_exactly_according_to_the_lane_rule(page: Page) -> None:
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
                ({ entry: { seq, text, ...more }, merged: [], own, readyAt: 0 });
            const candidates = [
                candidate(1, 'old'), candidate(2, '666'),
                candidate(3, 'mod', { role: 'moderator' }), candidate(4, 'new'),
                candidate(5, ' 666 '), candidate(6, 'mine', {}, true),
                candidate(7, '666', { mode: 'top' }),
            ];
            const sorted = sortByPriority(mergeEqual(candidates));
            return sorted.map(({ entry, merged }) => [entry.seq, merged.length + 1]);
        }"""
    )
    assert order == [[6, 1], [3, 1], [5, 2], [7, 1], [4, 1], [1, 1]]


def test_flood_shows_priority_comments_merges_equal_ones_and_drops_the_rest(
    page: Page,
) -> None:
    page.evaluate(
        """() => {
            stage.configure({ speed: 2 }); // the first comments leave soon
            for (let index = 0; index < 600; index += 1) {
                addComment(index % 3 ? `unlike ${index}` : '666');
            }
            window.own = addComment('my own words', {}, { own: true });
            window.host = addComment('from the host', { role: 'host' });
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
    assert page.evaluate("overlaps()") == []
    page.evaluate(
        """() => {
            window.shown = new Set(boxes().map((box) => box.seq));
            window.late = [];
            const look = () => late.push(...boxes().filter(({ seq }) => !shown.has(seq)));
            const stageElement = document.querySelector('[data-role=stage]');
            new MutationObserver(look).observe(stageElement, { childList: true, subtree: true });
        }"""
    )
    page.wait_for_selector(ON_STAGE, state="detached")  # every lane was free again
    assert page.evaluate("late") == []


def test_maximum_on_screen_does_not_limit_own_comments(page: Page) -> None:
    page.evaluate(
        "stage.configure({maxOnScreen: 5});"
        "for (let i = 0; i < 40; i += 1) addComment(`${i}`); undefined"
    )
    page.wait_for_function("() => getDropped() > 0")
    assert page.evaluate("comments().length") == 5
    add_comment(page, "mine", own=True)
    assert page.evaluate("comments().length") == 6


def test_top_and_bottom_comments_are_centred_and_stacked(page: Page) -> None:
    boxes = page.evaluate(
        """() => {
            const addNow = (text, mode) => { addComment(text, { mode }); scheduler.flush(); };
            addNow('one', 'top');
            addNow('another', 'top');
            addNow('low', 'bottom');
            stage.configure({ reservedBottomPx: 60 });
            addNow('above the bar', 'bottom');
            return boxes();
        }"""
    )
    first, second, low, lower = sorted(boxes, key=lambda place: place["seq"])
    assert first["bottom"] <= second["top"]
    assert low["bottom"] > 700
    assert lower["bottom"] <= 660
    for place in boxes:
        assert abs((place["left"] + place["right"]) / 2 - 640) < 2
    page.wait_for_selector(ON_STAGE, state="detached", timeout=7000)


def test_own_top_comment_is_shown_when_every_lane_is_full(page: Page) -> None:
    page.evaluate("window.stop = startChatter(60); undefined")
    page.wait_for_function("() => getDropped() > 20")
    seq = add_comment(page, "my own", own=True, mode="top")
    assert box(page, seq)["right"] > 0
    page.evaluate("stop()")


def test_area_limits_comments_to_the_upper_part(page: Page) -> None:
    page.evaluate(
        "stage.configure({area: 0.25});"
        "for (let i = 0; i < 40; i += 1) addComment(`text ${i}`); undefined"
    )
    page.wait_for_selector(ON_STAGE, state="attached")
    assert page.evaluate("Math.max(...boxes().map((box) => box.bottom))") <= 720 * 0.25 + 16
