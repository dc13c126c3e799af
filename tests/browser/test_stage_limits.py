"""The space of a comment on the stage: never more than its lane, whatever its text."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.stage_page import add_comment, box

WHOLE = "() => { for (const element of comments()) element.style.clipPath = 'none'; }"


def stand(page: Page, text: str, **more: str) -> dict[str, float]:
    """Show a fixed comment on a stage that stands, and return its box."""
    seq = add_comment(page, text, mode="top", **more)
    page.evaluate("stage.setPlayback('paused')")
    return box(page, seq)


@pytest.mark.parametrize("mark", ["\u0323", "\u030d", "\u0e38"], ids=["below", "above", "thai"])
@pytest.mark.parametrize("size", ["small", "normal", "large"])
def test_stacked_marks_stay_in_their_lane(page: Page, mark: str, size: str) -> None:
    empty = page.screenshot()
    page.evaluate("stage.configure({reservedTopPx: 200})")
    lane = stand(page, "Z" + mark * 60, size=size)
    above = {"x": 0, "y": 0, "width": 1280, "height": lane["top"] - 2}
    below = {"x": 0, "y": lane["bottom"] + 2, "width": 1280, "height": 300}
    shown = [page.screenshot(clip=clip) for clip in (above, below)]
    assert page.screenshot() != empty
    page.evaluate("stage.clear()")
    assert shown == [page.screenshot(clip=clip) for clip in (above, below)]


@pytest.mark.parametrize(
    "text",
    ["Ễ Ộ Ậ Ẵ ậ ỵ g", "ກຼື່ ຫຼີຸ້", "👨‍👩‍👧‍👦 ❤️ 🔥", "ÅÉfjgpq", "각 漢字", "مُحَمَّدٌ", "नि ट्ट्यूँ"],
    ids=["vietnamese", "lao", "emoji", "latin", "cjk", "arabic", "devanagari"],
)
def test_letters_with_marks_are_shown_whole(page: Page, text: str) -> None:
    page.evaluate("stage.configure({reservedTopPx: 100})")
    stand(page, text)
    clipped = page.screenshot()
    page.evaluate(WHOLE)
    assert clipped == page.screenshot()


def test_stage_is_not_translated(page: Page) -> None:
    add_comment(page, "hello")
    assert page.evaluate("comments().every((element) => element.translate === false)")
    assert page.evaluate("comments().every((element) => element.closest('.notranslate'))")


def test_widest_comment_leaves_its_lane_within_twice_the_crossing_time(page: Page) -> None:
    page.evaluate("stage.configure({speed: 8})")
    seq = add_comment(page, "W" * 100, size="large")
    assert box(page, seq)["right"] - box(page, seq)["left"] > 1280
    started = page.evaluate("performance.now()")
    page.wait_for_function("(seq) => boxes().every((box) => box.right <= 0)", arg=seq)
    assert page.evaluate("performance.now()") - started < 2 * 8000 / 8 + 200


def test_merged_group_follows_retractions(page: Page) -> None:
    shown = page.evaluate(
        """() => {
            stage.configure({ area: 0.25 });
            const first = addComment('666');
            for (let index = 1; index < 200; index += 1) addComment('666');
            for (let index = 0; index < 60; index += 1) addComment(`unlike ${index}`);
            scheduler.flush();
            const texts = () => comments().map((element) => element.textContent)
                .filter((text) => text.startsWith('666'));
            const seqs = () => comments().filter((element) => element.textContent.startsWith('666'))
                .map((element) => Number(element.dataset.seq) - first);
            const seen = [[texts(), seqs()]];
            stage.remove(first + 199);
            seen.push([texts(), seqs()]);
            for (let index = 0; index < 198; index += 1) stage.remove(first + index);
            seen.push([texts(), seqs()]);
            stage.remove(first + 198);
            seen.push([texts(), seqs()]);
            return seen;
        }"""
    )
    assert shown == [[["666×200"], [199]], [["666×199"], [198]], [["666"], [198]], [[], []]]
    assert page.evaluate("overlaps()") == []


def test_comment_that_replaces_a_retracted_one_of_its_group_moves_on(page: Page) -> None:
    seq = page.evaluate(
        """() => {
            for (let index = 0; index < 300; index += 1) addComment('666');
            scheduler.flush();
            const shown = boxes()[0].seq;
            stage.hold(shown);
            stage.remove(shown);
            return boxes()[0].seq;
        }"""
    )
    before = box(page, seq)["left"]
    page.wait_for_function("(before) => boxes()[0]?.left < before - 30", arg=before)
    assert page.evaluate("overlaps()") == []
