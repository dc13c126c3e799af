"""Accessibility of the pages: no axe-core violations, reduced motion, visible focus."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import AXE, find_violations
from tests.browser.room_page import FIELD, enter
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]


def post_and_see(page: Page, text: str) -> None:
    page.locator(FIELD).fill(text)
    page.locator(FIELD).press("Enter")
    expect(page.locator("[data-role=transcript] .text").last).to_have_text(text)


@pytest.mark.parametrize("language", ["en-GB", "zh-CN"])
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_no_violations_on_pages_and_popovers(
    server: ServerProcess, room: str, new_page: NewPage, theme: str, language: str
) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci")
    page = new_page(color_scheme=theme, locale=language, bypass_csp=True)
    enter(page, server, room)
    assert find_violations(page) == []
    post_and_see(page, "something to read")
    assert find_violations(page) == []
    for role in ("settings", "look", "keys"):
        page.locator(f"[data-role={role}-button]").click()
        expect(page.locator(f"[data-role={role}-card]")).to_be_visible()
        assert find_violations(page) == []
        page.keyboard.press("Escape")
    page.locator("[data-role=transcript] [data-seq]").click()
    expect(page.locator("[data-role=comment-card]")).to_be_visible()
    assert find_violations(page) == []
    page.goto(f"{server.url}/")
    expect(page.locator(f"[data-room={room}]")).to_be_visible()
    assert find_violations(page) == []
    page.goto(f"{server.url}/r/{room}/overlay/compose")
    expect(page.locator("[data-role=stage] [data-role=comment]").first).to_be_attached()
    assert find_violations(page) == []
    page.goto(f"{server.url}/r/NOT-A-ROOM!")
    assert find_violations(page) == []


def test_comments_do_not_move_with_reduced_motion(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page(reduced_motion="reduce")
    enter(page, server, room)
    post_and_see(page, "standing still")
    comment = page.locator("[data-role=stage] [data-role=comment]")
    expect(comment).to_contain_text("standing still")
    positions = page.evaluate(
        """async () => {
            const comment = document.querySelector('[data-role=stage] [data-role=comment]');
            const seen = new Set();
            for (let frame = 0; frame < 20; frame += 1) {
                await new Promise(requestAnimationFrame);
                seen.add(JSON.stringify(comment.getBoundingClientRect()));
            }
            return seen.size;
        }"""
    )
    assert positions == 1


def test_buttons_on_a_phone_are_large_enough_to_touch(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    enter(page, server, room)
    page.locator("[data-role=screen]").tap()
    small = page.evaluate(
        """[...document.querySelectorAll('button')].map(button => button.getBoundingClientRect())
            .filter(({width, height}) => width > 0 && (width < 36 || height < 36)).length"""
    )
    assert small == 0


def test_every_focus_is_visible_when_tabbing_through_the_room(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    enter(page, server, room)
    page.evaluate("document.activeElement.blur()")
    seen: list[str] = []
    for _ in range(14):
        page.keyboard.press("Tab")
        name, outline = page.evaluate(
            """[document.activeElement.dataset.role ?? document.activeElement.className,
                getComputedStyle(document.activeElement).outlineStyle]"""
        )
        if name != "room":  # the body: past the last element
            assert outline != "none", name
        seen.append(name)
    wanted = {"settings-button", "keys-button", "stage-switch", "theatre", "fullscreen"}
    wanted |= {"look-button", "text", "send", "transcript"}
    assert wanted <= set(seen)
