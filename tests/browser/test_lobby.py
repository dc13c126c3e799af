"""The lobby in real Chromium: rooms as cards, the server's clock, the field that opens a room."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]

CARD = "[data-role=rooms] [data-room]"


def test_empty_lobby_links_to_the_demo_room(
    start_server: Callable[..., ServerProcess], new_page: NewPage
) -> None:
    server = start_server()
    page = new_page()
    page.goto(server.url)
    expect(page.locator("[data-role=no-rooms] p")).to_be_visible()
    page.get_by_role("link", name="Open the demo room").click()
    expect(page).to_have_url(f"{server.url}/r/demo")


def test_card_of_a_live_room_shows_viewers_and_latest_comments(
    server: ServerProcess, new_page: NewPage
) -> None:
    viewer, lobby = new_page(), new_page()
    viewer.goto(f"{server.url}/r/cinema")
    expect(viewer.locator('[data-role=status][data-state="live"]')).to_be_visible()
    lobby.goto(server.url)
    card = lobby.locator(f"{CARD}[data-room=cinema]")
    expect(card).to_contain_text("1 watching")
    field = viewer.locator("[data-role=composer] [data-role=text]")
    field.fill("what a film")
    field.press("Enter")
    expect(card.locator(".card-comments")).to_have_text("what a film", timeout=10_000)
    card.locator("a").click()
    expect(lobby).to_have_url(f"{server.url}/r/cinema")


def test_card_loses_a_retracted_comment_with_the_next_poll_and_no_other_moves(
    server: ServerProcess, new_page: NewPage
) -> None:
    said = [
        {"kind": "comment", "seq": seq, "user": "g-1", "name": "Mika", "text": text, "at": 1}
        for seq, text in enumerate(["decent", "nasty", "fine"], 1)
    ]
    retraction = {"kind": "retract", "seq": 4, "target": 2, "at": 2}
    latest = [said]

    def respond(route: Route) -> None:
        room = {"room": "cinema", "viewers": 1, "title": "", "last": latest[-1]}
        route.fulfill(json={"rooms": [room], "now": 1_795_000_000_000})

    page = new_page()
    page.clock.install()
    page.route("**/api/rooms", respond)
    page.goto(server.url)
    comments = page.locator(f"{CARD} .card-comments span")
    expect(comments).to_have_text(["decent", "nasty", "fine"])
    page.evaluate(f"window.first = document.querySelector('{CARD} .card-comments span')")
    latest.append([said[0], said[2], retraction])
    page.clock.run_for(5_000)
    expect(comments).to_have_text(["decent", "fine"])
    assert page.evaluate("window.first.isConnected")  # its animation has not begun again


def test_server_clock_ticks(server: ServerProcess, new_page: NewPage) -> None:
    page = new_page()
    page.goto(server.url)
    clock = page.locator("[data-role=server-time]")
    expect(clock).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"))
    shown = clock.text_content()
    assert shown is not None
    expect(clock).not_to_have_text(shown, timeout=2500)


@pytest.mark.parametrize("name", ["", "-starts-wrong", "two words", "x" * 65, "../etc"])
def test_invalid_room_name_shows_a_message(
    server: ServerProcess, new_page: NewPage, name: str
) -> None:
    page = new_page()
    page.goto(server.url)
    page.get_by_label("Room name").fill(name)
    page.get_by_role("button", name="Open room").click()
    expect(page.locator("[data-role=room-name-hint]")).not_to_be_empty()
    expect(page).to_have_url(f"{server.url}/")


def test_room_name_opens_the_room(server: ServerProcess, new_page: NewPage) -> None:
    page = new_page()
    page.goto(server.url)
    page.get_by_label("Room name").fill("My-Room_1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{server.url}/r/my-room_1")


@pytest.mark.parametrize("width", [390, 1280])
def test_lobby_does_not_scroll_sideways(
    server: ServerProcess, new_page: NewPage, width: int
) -> None:
    page = new_page(viewport={"width": width, "height": 800})
    page.goto(server.url)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_language_follows_the_browser_and_can_be_switched(
    server: ServerProcess, new_page: NewPage
) -> None:
    page = new_page(locale="zh-CN")
    page.goto(server.url)
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.locator("[data-role=settings-button]").click()
    page.get_by_label("English").check()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto(f"{server.url}/r/demo")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def test_theme_applies_to_the_next_page(server: ServerProcess, new_page: NewPage) -> None:
    page = new_page(color_scheme="light")
    page.goto(server.url)
    page.locator("[data-role=settings-button]").click()
    page.get_by_label("Dark").check()
    page.goto(f"{server.url}/r/demo")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
