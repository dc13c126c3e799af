"""When comments move: pause, hidden tab, reduced motion, pointer, delay; and when a page writes."""

from __future__ import annotations

import itertools

from playwright.sync_api import Page

from tests.browser.stage_page import FLYING, box, point_at, say, wait_until_left


def test_paused_stage_stands_still_and_goes_on_where_it_was(page: Page) -> None:
    seq = say(page, "wait for me")
    wait_until_left(page, seq, 1150)
    page.evaluate("stage.setPaused(true)")
    stood = box(page, seq)
    page.evaluate("say('not now')")
    page.wait_for_timeout(600)  # time passes, nothing moves
    assert box(page, seq) == stood
    assert page.evaluate("comments().length") == 1
    goes_on = page.evaluate("stage.setPaused(false); boxes()[0]")
    assert abs(goes_on["left"] - stood["left"]) < 40
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
    assert page.locator(".stage-layer").count() == 0
    assert page.evaluate("new Set(boxes().map((box) => box.left)).size") == 1
    assert page.evaluate("overlaps()") == []


def test_text_too_long_for_the_quiet_list_ends_inside_it(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    seq = say(page, "这是一个非常非常长的弹幕" * 12)
    assert box(page, seq)["right"] < 1280
    page.emulate_media(reduced_motion="no-preference")
    page.wait_for_selector(FLYING, state="detached")
    again = box(page, say(page, "这是一个非常非常长的弹幕" * 12))
    assert again["right"] - again["left"] > 1280, "flying, all of it comes by"


def test_hovered_comment_stops_while_another_lane_flies_on(page: Page) -> None:
    stops, flies = say(page, "stop here, please"), say(page, "I fly on")
    wait_until_left(page, stops, 900)
    held, other = point_at(page, stops), box(page, flies)
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
    target = point_at(page, seq)
    page.mouse.click(target["left"] + 20, (target["top"] + target["bottom"]) / 2)
    assert page.evaluate("clicked") == [seq, "click me"]
    page.evaluate("(seq) => stage.hold(seq)", seq)
    page.mouse.move(5, 700)
    held = box(page, seq)
    page.wait_for_timeout(300)  # time passes, nothing moves
    assert box(page, seq)["left"] == held["left"]
    page.evaluate("(seq) => stage.release(seq)", seq)
    wait_until_left(page, seq, held["left"] - 20)


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


def test_busy_page_writes_at_most_five_times_a_second(page: Page) -> None:
    passes = page.evaluate(
        """() => new Promise((resolve) => {
            const times = [];
            const writer = (now) => times.push(now);
            const timer = setInterval(() => scheduler.request(writer), 10);
            setTimeout(() => { clearInterval(timer); resolve(times); }, 1500);
        })"""
    )
    gaps = [later - earlier for earlier, later in itertools.pairwise(passes)]
    assert len(passes) >= 3
    assert min(gaps) > 195


def test_quiet_page_writes_at_once(page: Page) -> None:
    first = page.evaluate(
        """() => new Promise((resolve) => {
            scheduler.request(() => resolve('the page'));
            setTimeout(() => resolve('the gap of a busy page'), scheduler.busyGapMs);
        })"""
    )
    assert first == "the page"
