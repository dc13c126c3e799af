"""The room's settings as people in it have them: title, delay, slow mode, over restarts."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.room_admin import choose
from tests.serving import ServerProcess
from tests.support.api import Api

NewPage = Callable[..., Page]

LIVE = '[data-role=status][data-state="live"]'
TITLE = "[data-role=room-title]"
FIELD = "[data-role=text]"
WAIT = "[data-role=send-wait]"
HINT = "[data-role=composer-hint]"
ROWS = "[data-role=transcript] [data-seq]"
FLYING = "[data-role=stage] [data-role=comment]"
# When a comment comes to the stage, in Unix milliseconds.
WATCH_STAGE = """new MutationObserver(() => {
    if (document.querySelector('[data-role=stage] [data-role=comment]'))
        document.documentElement.dataset.shown ??= Date.now();
}).observe(document.querySelector('[data-role=stage]'), {childList: true, subtree: true})"""


def enter(page: Page, server: ServerProcess, room: str) -> None:
    page.goto(f"{server.url}/r/{room}")
    expect(page.locator(LIVE)).to_be_visible()


def say(page: Page, text: str) -> None:
    page.locator(FIELD).fill(text)
    page.locator(FIELD).press("Enter")


def test_title_is_shown_at_once_and_to_who_comes_later_and_is_no_markup(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    enter(page, server, room)
    expect(page.locator(TITLE)).to_have_text(room)
    for title in ("周五电影", "<img src=x onerror=alert(1)>"):
        choose(server, room, title=title)
        expect(page.locator(TITLE)).to_have_text(title)
    later = new_page()
    enter(later, server, room)
    expect(later.locator(TITLE)).to_have_text(title)
    later.goto(server.url)
    expect(later.locator(f"[data-room={room}] h3")).to_have_text(title)
    choose(server, room, title=None)
    expect(page.locator(TITLE)).to_have_text(room)


def test_only_the_newest_of_the_settings_in_the_history_counts(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    for number in range(5):
        choose(server, room, title=f"Title {number}", slow_mode=0 if number == 4 else 600)
    page = new_page()
    enter(page, server, room)
    expect(page.locator(TITLE)).to_have_text("Title 4")
    say(page, "one")
    say(page, "two")
    expect(page.locator(ROWS)).to_have_count(2)


def test_settings_survive_a_restart_under_the_eyes_of_a_viewer(
    start_server: Callable[..., ServerProcess], room: str, new_page: NewPage
) -> None:
    server = start_server()
    choose(server, room, title="Friday")
    page = new_page()
    enter(page, server, room)
    server.restart()
    expect(page.locator(LIVE)).to_be_visible(timeout=20_000)
    expect(page.locator(TITLE)).to_have_text("Friday")
    choose(server, room, title="Saturday")
    expect(page.locator(TITLE)).to_have_text("Saturday")
    server.restart()
    later = new_page()
    enter(later, server, room)
    expect(later.locator(TITLE)).to_have_text("Saturday")


def test_delay_of_the_room_holds_the_stage_back_and_not_the_transcript(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    pages = [new_page(), new_page()]
    enter(pages[0], server, room)
    choose(server, room, delay=3)
    pages[1].goto(f"{server.url}/r/{room}/overlay")
    api = Api(server)
    expect(pages[0].locator("[data-role=viewer-count]")).to_have_text("2")
    for page in pages:
        page.evaluate(WATCH_STAGE)
    assert api.post(room, "a goal").status == 201
    expect(pages[0].locator(ROWS)).to_have_count(1)
    assert pages[0].locator(FLYING).count() == 0
    said_at = api.entries(room).json["entries"][-1]["at"]
    for page in pages:
        expect(page.locator(FLYING)).to_have_count(1)
        late = int(page.evaluate("document.documentElement.dataset.shown")) - said_at
        assert 2900 <= late <= 6000, late
    choose(server, room, delay=0)
    assert api.post(room, "and another").status == 201
    for page in pages:
        expect(page.locator(FLYING, has_text="and another")).to_have_count(1, timeout=2500)
    api.close()


def test_slow_mode_counts_down_at_the_composer_and_ends_when_it_is_turned_off(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    choose(server, room, slow_mode=60)
    page = new_page()
    enter(page, server, room)
    expect(page.locator(WAIT)).to_be_hidden()
    say(page, "one")
    expect(page.locator(WAIT)).to_have_text(re.compile("^(60|59|58)$"))
    expect(page.locator(WAIT)).to_have_text(re.compile("^5[0-7]$"))
    say(page, "two")
    expect(page.locator(HINT)).to_have_text(re.compile(r"^You can send again in 5\d s\.$"))
    expect(page.locator(FIELD)).to_have_value("two")
    choose(server, room, slow_mode=6)
    expect(page.locator(WAIT)).to_have_text(re.compile("^[0-6]$"))
    expect(page.locator(WAIT)).to_be_hidden(timeout=10_000)
    expect(page.locator(HINT)).to_be_hidden()
    say(page, "three")
    expect(page.locator(WAIT)).to_be_visible()
    choose(server, room, slow_mode=0)
    expect(page.locator(WAIT)).to_be_hidden()
    say(page, "four")
    say(page, "five")
    expect(page.locator(ROWS)).to_have_count(4)


def test_slow_mode_that_the_page_did_not_know_of_is_told_and_the_text_is_kept(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    choose(server, room, slow_mode=60)
    page = new_page()
    enter(page, server, room)
    say(page, "one")
    expect(page.locator(ROWS)).to_have_count(1)
    page.reload()
    expect(page.locator(LIVE)).to_be_visible()
    say(page, "two")
    expect(page.locator(HINT)).to_contain_text("slow mode")
    expect(page.locator(FIELD)).to_have_value("two")
    expect(page.locator(WAIT)).to_have_text(re.compile(r"^[45]\d$"))
    choose(server, room, slow_mode=0)
    expect(page.locator(WAIT)).to_be_hidden()
    page.locator(FIELD).press("Enter")
    expect(page.locator(ROWS)).to_have_count(2)


def test_slow_mode_speaks_the_readers_language(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    choose(server, room, slow_mode=60)
    page = new_page(locale="zh-CN")
    enter(page, server, room)
    say(page, "一")
    expect(page.locator(ROWS)).to_have_count(1)
    page.reload()
    expect(page.locator(LIVE)).to_be_visible()
    say(page, "二")
    expect(page.locator(HINT)).to_contain_text("慢速模式")


def test_who_polls_has_the_settings_and_every_change(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    choose(server, room, title="Friday", slow_mode=60)
    page = new_page()
    page.route_web_socket("**/ws/**", lambda socket: socket.close())
    page.goto(f"{server.url}/r/{room}")
    expect(page.locator(LIVE)).to_be_visible(timeout=20_000)
    expect(page.locator(TITLE)).to_have_text("Friday")
    say(page, "one")
    expect(page.locator(WAIT)).to_be_visible()
    choose(server, room, title="Saturday", slow_mode=0)
    expect(page.locator(TITLE)).to_have_text("Saturday")
    expect(page.locator(WAIT)).to_be_hidden()
