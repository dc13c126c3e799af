"""The room's settings as people in it have them: title, delay, slow mode, over restarts."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.room_page import FIELD, HINT, LIVE, ON_STAGE, ROWS, enter, post
from tests.support.api import Api
from tests.support.room_admin import change_settings
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]

TITLE = "[data-role=room-title]"
WAIT = "[data-role=send-wait]"
# When a comment comes to the stage, in Unix milliseconds.
WATCH_STAGE = """new MutationObserver(() => {
    if (document.querySelector('[data-role=stage] [data-role=comment]'))
        document.documentElement.dataset.shown ??= Date.now();
}).observe(document.querySelector('[data-role=stage]'), {childList: true, subtree: true})"""


def test_title_is_shown_to_present_and_later_viewers_as_text(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    enter(page, server, room)
    expect(page.locator(TITLE)).to_have_text(room)
    for title in ("周五电影", "<img src=x onerror=alert(1)>"):
        change_settings(server, room, title=title)
        expect(page.locator(TITLE)).to_have_text(title)
    later = new_page()
    enter(later, server, room)
    expect(later.locator(TITLE)).to_have_text(title)
    later.goto(server.url)
    expect(later.locator(f"[data-room={room}] h3")).to_have_text(title)
    change_settings(server, room, title=None)
    expect(page.locator(TITLE)).to_have_text(room)


def test_newest_settings_in_the_history_apply(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    for number in range(5):
        change_settings(server, room, title=f"Title {number}", slow_mode=0 if number == 4 else 600)
    page = new_page()
    enter(page, server, room)
    expect(page.locator(TITLE)).to_have_text("Title 4")
    post(page, "one")
    post(page, "two")
    expect(page.locator(ROWS)).to_have_count(2)


def test_settings_survive_a_server_restart_for_a_connected_viewer(
    start_server: Callable[..., ServerProcess], room: str, new_page: NewPage
) -> None:
    server = start_server()
    change_settings(server, room, title="Friday")
    page = new_page()
    enter(page, server, room)
    server.restart()
    expect(page.locator(LIVE)).to_be_visible(timeout=20_000)
    expect(page.locator(TITLE)).to_have_text("Friday")
    change_settings(server, room, title="Saturday")
    expect(page.locator(TITLE)).to_have_text("Saturday")
    server.restart()
    later = new_page()
    enter(later, server, room)
    expect(later.locator(TITLE)).to_have_text("Saturday")


def test_room_delay_applies_to_the_stage_and_the_transcript(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    pages = [new_page(), new_page()]
    enter(pages[0], server, room)
    change_settings(server, room, delay=3)
    pages[1].goto(f"{server.url}/r/{room}/overlay")
    api = Api(server)
    expect(pages[0].locator("[data-role=viewer-count]")).to_have_text("2")
    for page in pages:
        page.evaluate(WATCH_STAGE)
    assert api.post(room, "a goal").status == 201
    said_at = api.entries(room).json["entries"][-1]["at"]
    for page in pages:
        expect(page.locator(ON_STAGE)).to_have_count(1)
        late = int(page.evaluate("document.documentElement.dataset.shown")) - said_at
        assert 2900 <= late <= 6000, late
    expect(pages[0].locator(ROWS)).to_have_count(1)
    change_settings(server, room, delay=0)
    assert api.post(room, "and another").status == 201
    for page in pages:
        expect(page.locator(ON_STAGE, has_text="and another")).to_have_count(1, timeout=2500)
    api.close()


def test_slow_mode_counts_down_at_the_composer_and_ends_when_it_is_turned_off(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    change_settings(server, room, slow_mode=60)
    page = new_page()
    enter(page, server, room)
    expect(page.locator(WAIT)).to_be_hidden()
    post(page, "one")
    expect(page.locator(WAIT)).to_have_text(re.compile("^(60|59|58)$"))
    expect(page.locator(WAIT)).to_have_text(re.compile("^5[0-7]$"))
    post(page, "two")
    expect(page.locator(HINT)).to_have_text(re.compile(r"^You can send again in 5\d s\.$"))
    expect(page.locator(FIELD)).to_have_value("two")
    change_settings(server, room, slow_mode=6)
    expect(page.locator(WAIT)).to_have_text(re.compile("^[0-6]$"))
    expect(page.locator(WAIT)).to_be_hidden(timeout=10_000)
    expect(page.locator(HINT)).to_be_hidden()
    post(page, "three")
    expect(page.locator(WAIT)).to_be_visible()
    change_settings(server, room, slow_mode=0)
    expect(page.locator(WAIT)).to_be_hidden()
    post(page, "four")
    post(page, "five")
    expect(page.locator(ROWS)).to_have_count(4)


def test_slow_mode_unknown_to_the_page_shows_a_message_and_keeps_the_text(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    change_settings(server, room, slow_mode=60)
    page = new_page()
    enter(page, server, room)
    post(page, "one")
    expect(page.locator(ROWS)).to_have_count(1)
    page.reload()
    expect(page.locator(LIVE)).to_be_visible()
    post(page, "two")
    expect(page.locator(HINT)).to_contain_text("slow mode")
    expect(page.locator(FIELD)).to_have_value("two")
    expect(page.locator(WAIT)).to_have_text(re.compile(r"^[45]\d$"))
    change_settings(server, room, slow_mode=0)
    expect(page.locator(WAIT)).to_be_hidden()
    page.locator(FIELD).press("Enter")
    expect(page.locator(ROWS)).to_have_count(2)


def test_slow_mode_message_is_in_the_viewers_language(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    change_settings(server, room, slow_mode=60)
    page = new_page(locale="zh-CN")
    enter(page, server, room)
    post(page, "一")
    expect(page.locator(ROWS)).to_have_count(1)
    page.reload()
    expect(page.locator(LIVE)).to_be_visible()
    post(page, "二")
    expect(page.locator(HINT)).to_contain_text("慢速模式")


def test_page_says_who_may_post_and_keeps_what_was_typed(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    enter(page, server, room)
    field = page.locator(FIELD)
    field.fill("my text")
    for rule, reason in (("moderators", "Only moderators"), ("signed_in", "Only signed-in users")):
        change_settings(server, room, who_may_post=rule)
        expect(field).to_have_attribute("placeholder", re.compile(reason))
        expect(field).to_have_attribute("readonly", "")
        expect(page.locator("[data-role=send]")).to_be_disabled()
        field.press("Enter")
        expect(page.locator(HINT)).to_have_text(re.compile(reason))
    change_settings(server, room, who_may_post=None)
    expect(field).to_be_editable()
    expect(field).to_have_value("my text")
    field.press("Enter")
    expect(page.locator(ROWS)).to_have_count(1)


def test_page_counts_up_to_the_length_that_the_room_allows(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    change_settings(server, room, max_length=5)
    page = new_page()
    enter(page, server, room)
    post(page, "123456")
    expect(page.locator("[data-role=count]")).to_have_text("6/5")
    expect(page.locator(HINT)).to_contain_text("The limit is 5 characters")
    change_settings(server, room, max_length=None, links="reject")
    expect(page.locator("[data-role=count]")).to_have_text("6/100")
    post(page, "see example.com")
    expect(page.locator(HINT)).to_contain_text("Links are not accepted")
    expect(page.locator(FIELD)).to_have_value("see example.com")


def test_polling_viewer_gets_the_settings_and_every_change(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    change_settings(server, room, title="Friday", slow_mode=60)
    page = new_page()
    page.route_web_socket("**/ws/**", lambda socket: socket.close())
    page.goto(f"{server.url}/r/{room}")
    expect(page.locator(LIVE)).to_be_visible(timeout=20_000)
    expect(page.locator(TITLE)).to_have_text("Friday")
    post(page, "one")
    expect(page.locator(WAIT)).to_be_visible()
    change_settings(server, room, title="Saturday", slow_mode=0)
    expect(page.locator(TITLE)).to_have_text("Saturday")
    expect(page.locator(WAIT)).to_be_hidden()
