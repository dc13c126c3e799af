"""What the room page shows while the viewer is not in the room, and why."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.room_page import block_websocket, enter, expect_state
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]
StartServer = Callable[..., ServerProcess]

NOTICE = "[data-role=screen-notice]"
STATUS = "[data-role=status-text]"
NEXT = "[data-role=next-attempt]"


def refuse(page: Page, status: int, code: str, **error: object) -> None:
    """Refuse this page every way into a room, as the server refuses with this code."""
    body = json.dumps({"error": {"code": code, "message": "a sentence", **error}})
    block_websocket(page)
    for path in ("**/api/rooms/**", "**/ws/**"):
        page.route(
            path,
            lambda route: route.fulfill(status=status, body=body, content_type="application/json"),
        )


def test_page_of_a_full_server_waits_and_enters_by_itself(
    start_server: StartServer, room: str, new_page: NewPage
) -> None:
    server = start_server("--max-viewers", "1")
    first = enter(new_page(), server, room)
    second = new_page()
    second.goto(f"{server.url}/r/{room}")
    expect(second.locator(STATUS)).to_have_text("Full")
    expect(second.locator(NOTICE)).to_contain_text("You enter automatically")
    expect(second.locator(NEXT)).to_have_text(re.compile(r"Next attempt in \d+ s"))
    first.close()
    expect_state(second, "live", timeout=30_000)
    expect(second.locator(NOTICE)).to_be_hidden()


@pytest.mark.parametrize(
    ("status", "code", "error", "sentence"),
    [
        (429, "too_many", {"retry_after": 5}, "Too many connections from you or your network"),
        (503, "full", {"retry_after": 5}, "The server is full"),
        (403, "forbidden_origin", {}, "Pages of this site may not use this server"),
        (404, "no_such_room", {}, "This room does not exist"),
        (403, "of_a_newer_server", {}, "a sentence"),
    ],
)
def test_refusal_is_shown_with_its_reason(
    server: ServerProcess,
    room: str,
    new_page: NewPage,
    status: int,
    code: str,
    error: dict[str, object],
    sentence: str,
) -> None:
    page = new_page()
    refuse(page, status, code, **error)
    page.goto(f"{server.url}/r/{room}")
    expect_state(page, "offline", timeout=30_000)
    expect(page.locator(NOTICE)).to_contain_text(sentence)
    if error:
        expect(page.locator(NEXT)).to_have_text(re.compile(r"Next attempt in \d+ s"))
    else:
        expect(page.locator(NEXT)).to_be_hidden()  # it would be refused again
    expect(page.get_by_role("button", name="Try now")).to_be_visible()


def test_refusal_has_a_chinese_reason(server: ServerProcess, room: str, new_page: NewPage) -> None:
    page = new_page(locale="zh-CN")
    refuse(page, 503, "full", retry_after=5)
    page.goto(f"{server.url}/r/{room}")
    expect(page.locator(STATUS)).to_have_text("已满", timeout=30_000)
    expect(page.locator(NOTICE)).to_contain_text("一有空位就会自动进入")
