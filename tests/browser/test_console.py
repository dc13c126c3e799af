"""The console: what a moderator does there, and what the viewers' pages show of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing

import pytest
from playwright.sync_api import Locator, Page, expect

from chat.core.comment import Role
from tests.browser.accessibility import find_violations
from tests.browser.console_page import LOG, TOAST, open_console
from tests.browser.room_page import HINT, ROWS, enter, post, row
from tests.support.moderator import Moderator
from tests.support.room_admin import sign_token
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]


def card(page: Page, heading: str) -> Locator:
    return page.locator("section.card", has=page.get_by_role("heading", name=heading, exact=True))


def test_acts_on_a_comment_by_key_reach_the_viewers_page_and_the_log(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    viewer = enter(new_page(), server, room)
    console = open_console(new_page(), server, room, Role.MODERATOR)
    post(viewer, "spam spam")
    post(viewer, "keep this")
    row(console, "spam spam").click()
    console.keyboard.press("r")
    expect(row(viewer, "spam spam")).to_have_count(0)
    expect(row(console, "spam spam")).to_have_count(0)
    expect(console.locator(TOAST)).to_contain_text("cannot be undone")
    expect(console.locator(TOAST).get_by_role("button")).to_have_count(0)
    # By keyboard alone: the list, a comment, the act.
    console.locator("[data-role=transcript]").focus()
    console.keyboard.press("ArrowUp")
    console.keyboard.press("m")
    expect(console.locator("[data-role=sanctions] li")).to_contain_text("Muted until")
    viewer.locator("[data-role=text]").fill("one more")
    viewer.keyboard.press("Enter")
    expect(viewer.locator(HINT)).to_contain_text("muted")
    kinds = [one.get_attribute("data-kind") for one in console.locator(LOG).all()]
    assert kinds == ["sanction", "retract"]
    console.locator(TOAST).get_by_role("button", name="Undo").click()
    expect(console.locator("[data-role=sanctions]")).to_contain_text("Nobody is muted")
    post(viewer, "thank you")


def test_sanction_can_be_lifted_and_a_user_looked_up(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    viewer = enter(new_page(), server, room)
    console = open_console(new_page(), server, room, Role.MODERATOR)
    post(viewer, "hello")
    row(console, "hello").click()
    console.get_by_role("button", name="User U").click()
    user = console.locator("[data-role=user-card]")
    expect(user).to_contain_text("hello")
    user.get_by_role("button", name="Mute 10 min").click()
    lift = console.locator("[data-role=sanctions]").get_by_role("button", name="Lift")
    lift.click()
    expect(console.locator("[data-role=sanctions]")).to_contain_text("Nobody is muted")
    post(viewer, "again")
    # Only a host may change the rules or see the filters.
    expect(console.get_by_label("Links")).to_be_disabled()
    expect(console.locator("[data-role=filters-reject]")).to_be_hidden()


def test_host_changes_rules_and_filters_and_undoes_them(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    viewer = enter(new_page(), server, room)
    console = open_console(new_page(), server, room)
    console.get_by_label("Links").select_option("reject")
    expect(console.locator(LOG).first).to_have_attribute("data-kind", "settings")
    console.locator(LOG).first.get_by_role("button", name="Undo").click()
    expect(console.locator(LOG)).to_have_count(2)
    expect(console.get_by_label("Links")).to_have_value("allow")
    console.get_by_label("Do not accept").fill("spam\n/buy (now|here)/")
    console.get_by_role("button", name="Apply").click()
    expect(card(console, "Filters")).to_contain_text("2 in force")
    console.get_by_label("Try a comment").fill("BUY NOW")
    console.get_by_role("button", name="Try", exact=True).click()
    expect(console.locator("[data-role=filters-result]")).to_have_text("It would not be accepted.")
    viewer.locator("[data-role=text]").fill("s p a m")
    viewer.keyboard.press("Enter")
    expect(viewer.locator(HINT)).to_contain_text("does not accept")
    console.locator(TOAST).get_by_role("button", name="Undo").click()
    expect(card(console, "Filters")).to_contain_text("0 in force")
    console.locator("[data-role=filters-file]").set_input_files(
        {"name": "words.txt", "mimeType": "text/plain", "buffer": b"eggs\nham\n"}
    )
    console.get_by_role("button", name="Apply").click()
    expect(card(console, "Filters")).to_contain_text("2 in force")


def test_shield_closes_the_room_to_guests_until_it_is_undone(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    viewer = enter(new_page(), server, room)
    console = open_console(new_page(), server, room)
    shield = console.get_by_role("button", name="Shield")
    shield.click()
    expect(shield).to_have_attribute("aria-pressed", "true")
    field = viewer.locator("[data-role=text]")
    expect(field).to_have_attribute("placeholder", "Only signed-in users can post now.")
    console.locator(TOAST).get_by_role("button", name="Undo").click()
    expect(shield).to_have_attribute("aria-pressed", "false")
    expect(field).not_to_have_attribute("placeholder", "Only signed-in users can post now.")
    shield.click()
    expect(shield).to_have_attribute("aria-pressed", "true")
    console.locator(LOG).first.get_by_role("button", name="Undo").click()
    expect(shield).to_have_attribute("aria-pressed", "false")
    post(viewer, "we are back")


def test_console_without_a_moderators_token_offers_to_paste_one(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    console = new_page()
    console.goto(f"{server.url}/r/{room}/console")
    expect(console.get_by_role("heading", name="This page is for moderators")).to_be_visible()
    expect(console.locator("[data-role=work]")).to_be_hidden()
    field = console.get_by_label("Link or token")
    field.fill("no.token.atall")
    field.press("Enter")
    expect(console.locator("[data-role=sign-in-hint]")).to_contain_text("not valid")
    viewers = sign_token(server, room, Role.VIEWER, "Eve", "eve")
    field.fill(viewers)
    field.press("Enter")
    expect(console.locator("[data-role=sign-in-hint]")).to_contain_text("Eve")
    expect(console.locator("[data-role=work]")).to_be_hidden()
    token = sign_token(server, room, Role.MODERATOR, "Mia", "mia")
    field.fill(f"{server.url}/r/{room}#token={token}")
    field.press("Enter")
    expect(console.locator("[data-role=work]")).to_be_visible()
    console.reload()
    expect(console.locator("[data-role=work]")).to_be_visible()


@pytest.mark.parametrize("width", [390, 1000, 1280])
def test_console_fits_the_window_and_has_no_accessibility_faults(
    server: ServerProcess, room: str, new_page: NewPage, width: int
) -> None:
    with closing(Moderator(server, room)) as mia:
        mia.call("POST", "sanctions", {"user": "g-1", "kind": "ban"})
    viewer = enter(new_page(), server, room)
    post(viewer, "w" * 90)
    console = open_console(
        new_page(viewport={"width": width, "height": 800}, bypass_csp=True), server, room
    )
    expect(console.locator(ROWS)).to_have_count(1)
    tabs = console.locator("[data-tab]")
    for number in range(tabs.count()):
        if width < 1100:
            tabs.nth(number).click()
        overflow = "document.documentElement.scrollWidth - innerWidth"
        assert console.evaluate(overflow) <= 0
        assert find_violations(console) == []


def test_shadowed_user_notices_nothing_and_only_moderators_read_the_comments(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    viewer, other = (enter(new_page(), server, room) for _ in range(2))
    console = open_console(new_page(), server, room, Role.MODERATOR)
    post(viewer, "hello")
    row(console, "hello").click()
    console.keyboard.press("u")
    console.locator("[data-role=user-card]").get_by_role("button", name="Shadow").click()
    expect(console.locator("[data-role=sanctions] li")).to_contain_text("Shadowed for good")
    post(viewer, "who reads this")
    expect(row(console, "who reads this")).to_have_class(re.compile("shadowed"))
    post(other, "nice weather")
    expect(row(other, "who reads this")).to_have_count(0)
    viewer.reload()
    expect(row(viewer, "who reads this")).to_be_visible()
