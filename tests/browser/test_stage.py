"""The stage alone, in real Chromium: what flies, where, and that nothing ever touches."""

from __future__ import annotations

import http.server
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from playwright.sync_api import Page

NewPage = Callable[..., Page]

ROOT = Path(__file__).resolve().parents[2]
POLICY = "default-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
FLYING = "[data-role=stage] [data-role=comment]"
BOX = "(seq) => boxes().find((box) => box.seq === seq) ?? null"


class StageFiles(http.server.SimpleHTTPRequestHandler):
    """The stage's own files and the test page, under a strict policy."""

    extensions_map: ClassVar = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

    def translate_path(self, path: str) -> str:
        """Serve `/static/` from the repository and the rest from beside this test."""
        home = ROOT if path.startswith("/static/") else Path(__file__).parent
        return str(home / path.split("?")[0].lstrip("/"))

    def end_headers(self) -> None:
        """Every answer carries the policy."""
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not worth a line."""


@pytest.fixture(scope="module")
def stage_url() -> Iterator[str]:
    files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StageFiles)
    threading.Thread(target=files.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{files.server_port}/stage_page.html"
    files.shutdown()
    files.server_close()


@pytest.fixture
def page(stage_url: str, new_page: NewPage) -> Page:
    page = new_page()
    page.set_viewport_size({"width": 1280, "height": 720})
    page.goto(stage_url)
    page.wait_for_function("() => window.ready")
    return page


def say(page: Page, text: str, own: bool = False, **more: Any) -> int:
    """Say something on the stage and wait until it is there; returns its seq."""
    seq: int = page.evaluate("([text, more, own]) => say(text, more, {own})", [text, more, own])
    page.wait_for_selector(f'{FLYING}[data-seq="{seq}"]', state="attached")
    return seq


def box(page: Page, seq: int) -> dict[str, float]:
    """Return where a comment is."""
    found = page.evaluate(BOX, seq)
    assert found is not None
    return dict(found)


def wait_until_left(page: Page, seq: int, pixels: float) -> None:
    """Wait until a comment's left edge is left of `pixels`."""
    page.wait_for_function(
        "([seq, pixels]) => boxes().find((box) => box.seq === seq).left < pixels", arg=[seq, pixels]
    )


def test_no_two_comments_touch_under_random_input_resizes_and_hover(page: Page) -> None:
    page.evaluate("window.stop = chatter(45); window.unwatch = watch(); undefined")
    sizes = [(1920, 1080), (1280, 800), (390, 844), (1920, 1080), (900, 300), (1280, 800)]
    most = {}
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        for _ in range(3):
            page.wait_for_timeout(800)  # not a wait for anything: this is the time that is sampled
            target = page.evaluate(
                "boxes().find((box) => box.left > 100 && box.right < innerWidth - 50) ?? null"
            )
            if target:
                page.mouse.move(target["left"] + 5, (target["top"] + target["bottom"]) / 2)
            page.wait_for_timeout(300)
        most[width, height] = page.evaluate("comments().length")
    page.evaluate("stop()")
    seen = page.evaluate("unwatch()")
    assert seen["overlaps"] == []
    assert seen["samples"] > 100
    assert most[1920, 1080] > 80


def test_comments_move_left_and_leave_the_stage_empty(page: Page) -> None:
    page.evaluate("stage.configure({speed: 4})")
    seq = say(page, "hello")
    first = box(page, seq)
    assert first["left"] > 640
    wait_until_left(page, seq, first["left"] - 300)
    assert box(page, seq)["top"] == first["top"]
    page.wait_for_selector(FLYING, state="detached")
    assert page.evaluate("document.getAnimations().length") == 0


def test_lane_is_free_exactly_when_the_rule_says(page: Page) -> None:
    free = page.evaluate(
        """async () => {
            const { Lanes } = await import('/static/js/lanes.js');
            const W = 1920, D = 8000, height = 30, rows = { top: 0, bottom: 30 };
            const path = (width, from) =>
                ({ left: W, width, height, speed: (W + width) / D, from, until: from + D, gap: 0 });
            return [[100, 400], [400, 100], [250, 250], [30, 1500]].map(([first, second]) => {
                const widest = Math.max(first, second), rule = D * widest / (W + widest);
                const lanes = new Lanes();
                lanes.take(1, path(first, 0), 0);
                return [rule - 5, rule + 5].map(
                    (time) => lanes.find(path(second, time), rows, time) !== null,
                );
            });
        }"""
    )
    assert free == [[False, True]] * 4


def test_beyond_capacity_own_then_staff_then_merged_then_newest(page: Page) -> None:
    order = page.evaluate(
        """async () => {
            const { inOrder, mergeEqual } = await import('/static/js/policy.js');
            const offer = (seq, text, more = {}, own = false) =>
                ({ entry: { seq, text, ...more }, own, count: 1, readyAt: 0 });
            const offers = [
                offer(1, 'old'), offer(2, '666'), offer(3, 'mod', { role: 'moderator' }),
                offer(4, 'new'), offer(5, ' 666 '), offer(6, 'mine', {}, true),
                offer(7, '666', { mode: 'top' }),
            ];
            return inOrder(mergeEqual(offers)).map(({ entry, count }) => [entry.seq, count]);
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
    page.wait_for_function("() => getDropped() > 0")
    before = page.evaluate("boxes().map((box) => box.seq)")
    assert page.evaluate("boxes().length + 199 + getDropped()") == 602
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
    first, second = say(page, "one", mode="top"), say(page, "another", mode="top")
    low = say(page, "low", mode="bottom")
    page.evaluate("stage.configure({reservedBottomPx: 60})")
    lower = say(page, "above the bar", mode="bottom")
    boxes = {seq: box(page, seq) for seq in (first, second, low, lower)}
    assert boxes[first]["bottom"] <= boxes[second]["top"]
    assert boxes[low]["bottom"] > 700
    assert boxes[lower]["bottom"] <= 660
    for place in boxes.values():
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


def test_paused_stage_stands_still_and_goes_on_where_it_was(page: Page) -> None:
    seq = say(page, "wait for me")
    wait_until_left(page, seq, 1150)
    page.evaluate("stage.setPaused(true)")
    stood = box(page, seq)
    page.evaluate("say('not now')")
    page.wait_for_timeout(600)  # time passes, nothing moves
    assert box(page, seq) == stood
    assert page.evaluate("comments().length") == 1
    page.evaluate("stage.setPaused(false)")
    assert abs(box(page, seq)["left"] - stood["left"]) < 40
    wait_until_left(page, seq, stood["left"] - 50)


def test_hidden_tab_stands_still_and_comes_back_without_a_burst(page: Page) -> None:
    """Headless Chromium never hides a tab, so the document is made to say so."""
    hide = """(hidden) => {
        Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    seq = say(page, "before")
    page.evaluate(hide, True)
    stood = box(page, seq)
    page.evaluate(
        """() => {
            const long = Date.now() - 60_000;
            for (let index = 0; index < 400; index += 1) say(`${index}`, { at: long + index });
            say('just now');
        }"""
    )
    page.wait_for_timeout(300)  # time passes, nothing moves
    assert box(page, seq) == stood
    page.evaluate(hide, False)
    page.wait_for_function("() => comments().some((element) => element.textContent === 'just now')")
    assert page.evaluate("comments().length") == 2
    assert page.evaluate("getDropped()") == 0


def test_reduced_motion_is_a_short_quiet_list(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    first = say(page, "first")
    place = box(page, first)
    page.evaluate("for (let index = 0; index < 20; index += 1) say(`more ${index}`); undefined")
    page.wait_for_function("() => comments().length === 6")
    page.wait_for_function("() => getDropped() > 0")
    assert box(page, first) == place
    assert page.locator(".stage-current").count() == 0
    assert page.evaluate("new Set(boxes().map((box) => box.left)).size") == 1
    assert page.evaluate("overlaps()") == []


def test_hovered_comment_stops_while_another_lane_flies_on(page: Page) -> None:
    stops, flies = say(page, "stop here, please"), say(page, "I fly on")
    wait_until_left(page, stops, 900)
    target = box(page, stops)
    page.mouse.move(target["left"] + 30, (target["top"] + target["bottom"]) / 2)
    page.wait_for_selector(f'{FLYING}[data-seq="{stops}"][data-held]')
    held, other = box(page, stops), box(page, flies)
    wait_until_left(page, flies, other["left"] - 100)
    assert box(page, stops)["left"] == held["left"]
    page.mouse.move(5, 700)
    wait_until_left(page, stops, held["left"] - 50)


def test_click_tells_which_comment_and_hold_keeps_it_until_released(page: Page) -> None:
    page.evaluate(
        """stage.addEventListener('comment-click', ({ detail }) => {
            window.clicked = [detail.seq, detail.entry.text];
        })"""
    )
    seq = say(page, "click me")
    wait_until_left(page, seq, 900)
    target = box(page, seq)
    page.mouse.click(target["left"] + 20, (target["top"] + target["bottom"]) / 2)
    assert page.evaluate("clicked") == [seq, "click me"]
    page.evaluate("(seq) => stage.hold(seq)", seq)
    page.mouse.move(5, 700)
    held = box(page, seq)
    page.wait_for_timeout(300)  # time passes, nothing moves
    assert box(page, seq)["left"] == held["left"]
    page.evaluate("(seq) => stage.release(seq)", seq)
    wait_until_left(page, seq, held["left"] - 20)


def test_retracted_cleared_and_hidden_comments_leave_at_once(page: Page) -> None:
    one, two, three = (say(page, text, user=text) for text in ("one", "two", "three"))
    page.evaluate("(seq) => stage.remove(seq)", two)
    assert page.evaluate("boxes().map((box) => box.seq)") == [one, three]
    page.evaluate("(seq) => stage.clear(seq)", three)
    assert page.evaluate("boxes().map((box) => box.seq)") == [three]
    page.evaluate("stage.removeWhere((entry) => entry.user === 'three')")
    assert page.evaluate("comments().length") == 0


def test_switched_off_stage_is_empty_and_takes_nothing(page: Page) -> None:
    say(page, "on")
    page.evaluate("stage.setVisible(false); say('off'); beat.flush()")
    assert page.evaluate("comments().length") == 0
    page.evaluate("stage.setVisible(true)")
    say(page, "on again")


def test_delay_shows_a_comment_that_long_after_it_was_said(page: Page) -> None:
    waited = page.evaluate(
        """() => new Promise((resolve) => {
            stage.configure({ delaySeconds: 1.5 });
            const started = performance.now();
            const look = () => comments().length > 0 && resolve(performance.now() - started);
            const stageElement = document.querySelector('[data-role=stage]');
            new MutationObserver(look).observe(stageElement, { childList: true, subtree: true });
            say('later');
        })"""
    )
    assert 1450 < waited < 2500


def test_font_that_arrives_late_makes_no_two_comments_touch(page: Page) -> None:
    page.evaluate("window.stop = chatter(40); undefined")
    page.wait_for_function("() => comments().length > 60")
    target = page.evaluate("boxes().find((box) => box.left > 100 && box.right < 1000)")
    page.mouse.move(target["left"] + 5, (target["top"] + target["bottom"]) / 2)
    page.evaluate(
        """() => {
            stop();
            const wider = '.comment { letter-spacing: 8px; padding-block: 5px }';
            document.styleSheets[0].insertRule(wider);
            document.fonts.dispatchEvent(new Event('loadingdone'));
            window.unwatch = watch();
        }"""
    )
    assert page.evaluate("overlaps()") == []
    assert page.evaluate("comments().length") > 10
    page.mouse.move(5, 715)
    page.wait_for_function("() => comments().length < 10", timeout=20_000)
    assert page.evaluate("unwatch().overlaps") == []


def test_hostile_text_shows_as_text(page: Page) -> None:
    hostile = [
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "&lt;b&gt;",
        "javascript:alert(1)",
        '"><svg onload=alert(1)>',
    ]
    page.evaluate("stage.configure({names: true})")
    for text in hostile:
        seq = say(
            page, text, name=text, color="red;background:url(x)", size="large huge", role="<b>"
        )
        shown = page.evaluate(
            "(seq) => document.querySelector(`[data-seq='${seq}'] .comment-text`).textContent", seq
        )
        assert shown == text
    assert (
        page.evaluate(
            "document.querySelectorAll('[data-role=stage] :is(img, script, svg, b)').length"
        )
        == 0
    )


def test_used_element_keeps_nothing_of_the_comment_before(page: Page) -> None:
    before = say(page, "loud", own=True, role="host", size="large", color="#000000")
    page.evaluate("(seq) => stage.remove(seq)", before)
    after = say(page, "plain", color="no colour")
    look = page.evaluate(
        """(seq) => {
            const element = document.querySelector(`[data-seq='${seq}']`);
            return [element.className, element.style.color, element.textContent];
        }""",
        after,
    )
    assert look == ["comment", "", "plain"]


def test_busy_page_writes_at_most_five_times_a_second(page: Page) -> None:
    passes = page.evaluate(
        """() => new Promise((resolve) => {
            const times = [];
            const writer = () => times.push(performance.now());
            const timer = setInterval(() => beat.request(writer), 10);
            setTimeout(() => { clearInterval(timer); resolve(times); }, 1500);
        })"""
    )
    gaps = [later - earlier for earlier, later in itertools.pairwise(passes)]
    assert len(passes) >= 3
    assert min(gaps) > 195


def test_quiet_page_writes_at_once(page: Page) -> None:
    waited = page.evaluate(
        """() => new Promise((resolve) => {
            const asked = performance.now();
            beat.request(() => resolve(performance.now() - asked));
        })"""
    )
    assert waited < 200, "not even the gap of a busy page"
