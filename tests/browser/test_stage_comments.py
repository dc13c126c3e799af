"""The elements of comments on the stage: their style, and their removal."""

from __future__ import annotations

import itertools
import re

from playwright.sync_api import Page

from tests.browser.stage_page import add_comment


def test_retracted_cleared_and_hidden_comments_are_removed_at_once(page: Page) -> None:
    one, two, three = (add_comment(page, text, user=text) for text in ("one", "two", "three"))
    page.evaluate("(seq) => stage.remove(seq)", two)
    assert page.evaluate("boxes().map((box) => box.seq)") == [one, three]
    page.evaluate("(seq) => stage.clear(seq)", one)
    assert page.evaluate("boxes().map((box) => box.seq)") == [three]
    page.evaluate("stage.removeWhere((entry) => entry.user === 'three')")
    assert page.evaluate("comments().length") == 0


def test_hidden_stage_is_empty_and_ignores_comments(page: Page) -> None:
    add_comment(page, "on")
    page.evaluate("stage.setVisible(false); addComment('off'); scheduler.flush()")
    assert page.evaluate("comments().length") == 0
    page.evaluate("stage.setVisible(true)")
    again = add_comment(page, "on again")
    assert page.evaluate("boxes().map((box) => box.seq)") == [again]


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
        seq = add_comment(
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


def test_recycled_element_keeps_nothing_of_the_previous_comment(page: Page) -> None:
    before = add_comment(page, "loud", own=True, role="host", size="large", color="#000000")
    page.evaluate("(seq) => stage.remove(seq)", before)
    after = add_comment(page, "plain", color="no colour")
    look = page.evaluate(
        """(seq) => {
            const element = document.querySelector(`[data-seq='${seq}']`);
            return [element.className, element.style.color, element.textContent];
        }""",
        after,
    )
    assert look == ["comment", "", "plain"]


def luminance(levels: list[float]) -> float:
    """Return the relative luminance of sRGB levels 0..1 (WCAG 2.2)."""
    linear = [
        level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_outline_contrasts_with_every_colour_over_any_picture(page: Page) -> None:
    levels = ("00", "40", "80", "c0", "ff")
    colors = [f"#{''.join(parts)}" for parts in itertools.product(levels, repeat=3)]
    outlines = page.evaluate(
        """async (colors) => {
            const { CommentElements } = await import('/static/js/stage/comment-elements.js');
            const plane = document.querySelector('.stage-plane');
            const candidates = colors.map((color, seq) =>
                ({ entry: { seq, text: color, color }, merged: [], own: false, readyAt: 0 }));
            const elements = new CommentElements(plane);
            const prepared = elements.prepare(candidates, { names: false, font: '' });
            return prepared.map(({ element }) => {
                plane.append(element);
                const outline = getComputedStyle(element).getPropertyValue('--outline');
                element.style.color = outline;
                return getComputedStyle(element).color;
            });
        }""",
        colors,
    )
    for color, outline in zip(colors, outlines, strict=True):
        text = luminance([int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)])
        *channels, opaque = map(float, re.findall(r"[\d.]+", outline))
        for picture in (0, 1):
            seen = [level / 255 * opaque + picture * (1 - opaque) for level in channels]
            darker, lighter = sorted((text, luminance(seen)))
            assert (lighter + 0.05) / (darker + 0.05) >= 3, (color, outline, picture)
