"""The timing of the stage: pause, hidden tab, reduced motion, pointer, delay, and its passes."""

from __future__ import annotations

import itertools

from playwright.sync_api import Page

from tests.browser.room_page import set_hidden
from tests.browser.stage_page import ON_STAGE, add_comment, box, point_at, wait_until_left


def test_paused_stage_stops_and_resumes_in_place(page: Page) -> None:
    seq = add_comment(page, "wait for me")
    wait_until_left(page, seq, 1150)
    page.evaluate("stage.setPlayback('paused')")
    stood = box(page, seq)
    page.evaluate("addComment('not now')")
    page.evaluate("passes(3)")
    assert box(page, seq) == stood
    assert page.evaluate("comments().length") == 1
    goes_on = page.evaluate("stage.setPlayback('playing'); boxes()[0]")
    assert abs(goes_on["left"] - stood["left"]) < 40
    wait_until_left(page, seq, stood["left"] - 50)


def test_hidden_tab_stops_and_resumes_without_a_burst(page: Page) -> None:
    seq = add_comment(page, "before")
    set_hidden(page, hidden=True)
    stood = box(page, seq)
    page.evaluate(
        """() => {
            const long = Date.now() - 60_000;
            for (let index = 0; index < 400; index += 1) {
                addComment(`${index}`, { at: long + index });
            }
            addComment('just now');
        }"""
    )
    page.evaluate("passes(3)")
    assert box(page, seq) == stood
    set_hidden(page, hidden=False)
    page.wait_for_function("() => comments().some((element) => element.textContent === 'just now')")
    assert page.evaluate("comments().length") == 2
    assert page.evaluate("getDropped()") == 0


def test_reduced_motion_shows_a_short_list(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    first = add_comment(page, "first")
    place = box(page, first)
    page.evaluate(
        "for (let index = 0; index < 20; index += 1) addComment(`more ${index}`); undefined"
    )
    page.wait_for_function("() => comments().length === 6")
    page.wait_for_function("() => getDropped() > 0")
    assert box(page, first) == place
    assert page.locator(".stage-layer").count() == 0
    assert page.evaluate("new Set(boxes().map((box) => box.left)).size") == 1
    assert page.evaluate("overlaps()") == []


def test_text_too_long_for_the_list_is_cut_at_its_edge(page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    seq = add_comment(page, "这是一个非常非常长的弹幕" * 12)
    assert box(page, seq)["right"] < 1280
    page.emulate_media(reduced_motion="no-preference")
    page.wait_for_selector(ON_STAGE, state="detached")
    again = box(page, add_comment(page, "这是一个非常非常长的弹幕" * 12))
    assert again["right"] - again["left"] > 1280, "scrolling, all of it is shown"


def test_hovered_comment_stops_and_another_lane_keeps_moving(page: Page) -> None:
    stops, flies = add_comment(page, "stop here, please"), add_comment(page, "I fly on")
    wait_until_left(page, stops, 900)
    held, other = point_at(page, stops), box(page, flies)
    wait_until_left(page, flies, other["left"] - 100)
    assert box(page, stops)["left"] == held["left"]
    page.mouse.move(5, 700)
    wait_until_left(page, stops, held["left"] - 50)


def test_click_event_names_the_comment_and_hold_stops_it_until_release(page: Page) -> None:
    page.evaluate(
        """stage.addEventListener('comment-click', ({ detail }) => {
            window.clicked = [detail.seq, detail.entry.text];
        })"""
    )
    seq = add_comment(page, "click me")
    wait_until_left(page, seq, 900)
    target = point_at(page, seq)
    page.mouse.click(target["left"] + 20, (target["top"] + target["bottom"]) / 2)
    assert page.evaluate("clicked") == [seq, "click me"]
    page.evaluate("(seq) => stage.hold(seq)", seq)
    page.mouse.move(5, 700)
    held = box(page, seq)
    page.evaluate("passes(3)")
    assert box(page, seq)["left"] == held["left"]
    page.evaluate("(seq) => stage.release(seq)", seq)
    wait_until_left(page, seq, held["left"] - 20)


def test_delay_postpones_a_comment(page: Page) -> None:
    waited = page.evaluate(
        """() => new Promise((resolve) => {
            stage.configure({ delaySeconds: 1.5 });
            const started = performance.now();
            const look = () => comments().length > 0 && resolve(performance.now() - started);
            const stageElement = document.querySelector('[data-role=stage]');
            new MutationObserver(look).observe(stageElement, { childList: true, subtree: true });
            addComment('later');
        })"""
    )
    assert 1450 < waited < 2500


def test_busy_page_runs_at_most_five_passes_a_second(page: Page) -> None:
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


def test_quiet_page_runs_a_pass_at_once(page: Page) -> None:
    first = page.evaluate(
        """() => new Promise((resolve) => {
            scheduler.request(() => resolve('the pass'));
            setTimeout(() => resolve('the gap between passes'), scheduler.busyGapMs);
        })"""
    )
    assert first == "the pass"
