"""A user's token on the room page: taken out of the address, kept for the tab, shown as a badge."""

from __future__ import annotations

import re
from collections.abc import Callable

import jwt
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from chat.core.comment import Role
from tests.browser.room_page import (
    FIELD,
    HINT,
    ON_STAGE,
    block_websocket,
    enter,
    expect_state,
    post,
    row,
)
from tests.support.room_admin import sign_token
from tests.support.server_process import ServerProcess

TRANSPORTS = ["websocket", "polling"]


def open_link(page: Page, server: ServerProcess, room: str, token: str) -> Page:
    page.goto(f"{server.url}/r/{room}?x=1#token={token}")
    expect(page).to_have_url(f"{server.url}/r/{room}?x=1")
    expect_state(page, "live")
    return page


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_link_with_a_token_makes_the_tab_its_user_also_after_a_reload(
    server: ServerProcess, room: str, new_context: Callable[..., BrowserContext], transport: str
) -> None:
    context = new_context()
    if transport == "polling":
        context.route_web_socket("**/ws/**", lambda socket: socket.close())
    other = enter(context.new_page(), server, room)
    page = open_link(context.new_page(), server, room, sign_token(server, room))
    expect(page.locator(FIELD)).to_have_attribute("placeholder", re.compile("Ann"))
    expect(page.locator("#own-name")).to_be_disabled()
    expect(page.locator("#own-name")).to_have_value("Ann")
    post(page, "from the host")
    seen = row(other, "from the host")
    expect(seen.locator(".badge")).to_have_text("Host")
    expect(seen.locator(".name")).to_have_text("Ann")
    page.reload()
    expect_state(page, "live")
    post(page, "after the reload")
    expect(row(other, "after the reload").locator(".badge")).to_have_text("Host")
    # The token is this tab's alone.
    post(other, "from the other tab")
    expect(row(page, "from the other tab")).to_be_visible()
    expect(row(page, "from the other tab").locator(".badge")).to_have_count(0)


@pytest.mark.parametrize(("role", "letter"), [("host", "H"), ("moderator", "M"), ("bot", "B")])
def test_badge_follows_the_role_on_the_stage_and_in_the_transcript(
    server: ServerProcess, room: str, new_page: Callable[..., Page], role: str, letter: str
) -> None:
    watcher = enter(new_page(), server, room)
    page = open_link(new_page(), server, room, sign_token(server, room, Role(role), "Viewer"))
    post(page, "hi")
    expect(watcher.locator(ON_STAGE).locator(".comment-badge")).to_have_text(letter)
    expect(row(watcher, "hi").locator(f".badge.{role}")).to_be_visible()


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("fault", ["forged", "expired", "of another room"])
def test_token_that_is_refused_is_told_and_leaves_the_guest_of_the_browser(
    server: ServerProcess,
    room: str,
    new_page: Callable[..., Page],
    transport: str,
    fault: str,
) -> None:
    page = new_page()
    if transport == "polling":
        block_websocket(page)
    post(enter(page, server, room), "as a guest")
    expect(row(page, "as a guest")).to_be_visible()
    token, said = {
        "forged": (jwt.encode({"sub": "ann"}, "x" * 64, "HS256"), "not valid"),
        "expired": (sign_token(server, room, seconds=-1), "has ended"),
        "of another room": (sign_token(server, "another-room"), "another room"),
    }[fault]
    # A link to the page that is open changes only the fragment of its address.
    page.evaluate("token => { location.hash = `token=${token}`; }", token)
    expect(page.locator(HINT)).to_contain_text(said)
    assert "#" not in page.url
    post(page, "still the same guest")
    expect(row(page, "still the same guest")).to_be_visible()
    names = page.locator("[data-role=transcript] [data-seq] .name").all_inner_texts()
    assert len(set(names)) == 1
    expect(page.locator("[data-role=transcript] .badge")).to_have_count(0)
    page.reload()
    expect_state(page, "live")
    expect(page.locator(HINT)).to_be_hidden()


def test_end_of_the_token_is_told_while_the_page_is_open(
    server: ServerProcess, room: str, new_page: Callable[..., Page]
) -> None:
    page = open_link(new_page(), server, room, sign_token(server, room, seconds=4))
    post(page, "with a badge")
    expect(row(page, "with a badge").locator(".badge")).to_be_visible()
    expect(page.locator(HINT)).to_contain_text("has ended", timeout=15_000)
    expect(page.locator("#own-name")).to_be_enabled()
    expect(page.locator("#own-name")).to_have_value("")
    post(page, "as a guest")
    expect(row(page, "as a guest")).to_be_visible()
    expect(row(page, "as a guest").locator(".badge")).to_have_count(0)
