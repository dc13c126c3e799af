"""The layout of the room page in states that need space: long names and titles, several notices."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.media_site import MediaSite
from tests.browser.overlay_page import post
from tests.browser.room_page import TEXTS, enter
from tests.support.room_admin import change_settings
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]
StartServer = Callable[..., ServerProcess]

PHONE = {"width": 390, "height": 844}


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_long_names_and_titles_do_not_make_the_page_wider_than_the_window(
    server: ServerProcess, new_page: NewPage, width: int
) -> None:
    room = f"{width:w>64}"
    change_settings(
        server, room, title="A title that is too long for a phone and for most other windows"
    )
    page = new_page(viewport={"width": width, "height": 844})
    enter(page, server, room)
    post(server.url, room, "W" * 100, name="W" * 24)
    expect(page.locator(TEXTS)).to_have_text(["W" * 100])
    assert page.evaluate("document.documentElement.scrollWidth") == width
    for role in ("room-main", "transcript", "composer", "settings-button"):
        box = page.locator(f"[data-role={role}]").bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= width, role


def test_count_of_dropped_comments_makes_way_for_the_notice_about_the_video(
    start_server: StartServer, new_page: NewPage, media: MediaSite, room: str
) -> None:
    server = start_server("--post-rate", "0")
    change_settings(server, room, video_url=f"{media.url}/broken.mp4")
    page = new_page(viewport=PHONE)
    enter(page, server, room)
    expect(page.locator("[data-role=video-notice]")).to_be_visible()
    for number in range(40):
        post(server.url, room, f"number {number}", mode="top")
    dropped = page.locator("[data-role=dropped]:not([hidden])")
    dropped.wait_for(state="attached")
    expect(dropped).to_have_css("visibility", "hidden")
