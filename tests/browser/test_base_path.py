"""The pages of a server under a path: everything that they request and link to is below it."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.room_page import LIVE, TEXTS, block_websocket, post
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]
BASE = "/danmaku"


@pytest.fixture
def requested(new_page: NewPage) -> tuple[Page, list[str]]:
    """Open a tab, and record the path of whatever it requests."""
    page, paths = new_page(), list[str]()
    page.on("request", lambda request: paths.append(urlsplit(request.url).path))
    page.on("websocket", lambda socket: paths.append(urlsplit(socket.url).path))
    return page, paths


def test_pages_work_under_a_base_path_and_request_nothing_outside_it(
    start_server: Callable[..., ServerProcess], room: str, requested: tuple[Page, list[str]]
) -> None:
    server = start_server("--base-path", BASE)
    page, paths = requested
    home = f"{server.url}{BASE}"
    page.goto(f"{home}/")
    page.get_by_label("Room name").fill(room)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{home}/r/{room}")
    expect(page.locator(LIVE)).to_be_visible()
    post(page, "below a path")
    expect(page.locator(TEXTS)).to_have_text(["below a path"])
    page.locator("[data-role=settings-button]").click()
    page.get_by_label("中文").check()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    assert [cookie["path"] for cookie in page.context.cookies()] == [f"{BASE}/"]
    with page.expect_popup() as opened:
        page.locator("[data-role=settings-button]").click()
        page.locator("[data-role=overlay-link]").click()
    composer = opened.value
    expect(composer.locator("[data-role=address]")).to_have_value(f"{home}/r/{room}/overlay")
    composer.goto(composer.locator("[data-role=address]").input_value())
    expect(composer.locator("body.overlay")).to_be_attached()
    page.locator("a.brand").click()
    expect(page).to_have_url(f"{home}/")
    page.locator(f"[data-room={room}] a").click()
    expect(page).to_have_url(f"{home}/r/{room}")
    assert f"{BASE}/ws/{room}" in paths
    assert [path for path in paths if not path.startswith(f"{BASE}/")] == []


def test_room_polls_under_a_base_path_and_keeps_its_session_apart(
    start_server: Callable[..., ServerProcess], room: str, requested: tuple[Page, list[str]]
) -> None:
    server = start_server("--base-path", BASE)
    page, paths = requested
    block_websocket(page)
    page.goto(f"{server.url}{BASE}/r/{room}")
    expect(page.locator(LIVE)).to_be_visible(timeout=15_000)
    post(page, "over HTTP")
    expect(page.locator(TEXTS)).to_have_text(["over HTTP"])
    stored = page.evaluate("Object.keys(localStorage).filter((key) => key.includes('session'))")
    assert stored == [f"danmaku.session {server.url}{BASE}"]
    assert [path for path in paths if not path.startswith(f"{BASE}/")] == []


def test_embedded_stage_finds_its_server_under_a_base_path(
    start_server: Callable[..., ServerProcess], room: str, requested: tuple[Page, list[str]]
) -> None:
    server = start_server("--base-path", BASE)
    page, paths = requested
    page.goto(f"{server.url}{BASE}/nothing")
    with page.expect_websocket() as opened:
        page.evaluate(
            """([home, room]) => {
                const stage = document.createElement('danmaku-stage');
                stage.setAttribute('room', room);
                document.body.append(stage);
                import(`${home}/static/js/embed.js`);
            }""",
            [f"{server.url}{BASE}", room],
        )
    assert urlsplit(opened.value.url).path == f"{BASE}/ws/{room}"
    assert [path for path in paths if not path.startswith(f"{BASE}/")] == []
