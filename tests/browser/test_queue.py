"""Held and reported comments, from a viewer's page to the console and back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from playwright.sync_api import Page, expect

from chat.core.comment import Role
from tests.browser.console_page import LOG, TOAST, open_console
from tests.browser.room_page import HINT, enter, post, row
from tests.support.moderator import Moderator
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]

HELD = "[data-role=held] li"
REPORTS = "[data-role=reports] li"


def hold_all(server: ServerProcess, room: str) -> None:
    with closing(Moderator(server, room, Role.HOST)) as host:
        host.call("PATCH", "settings", {"hold_all": True})


def send(viewer: Page, text: str) -> None:
    viewer.locator("[data-role=text]").fill(text)
    viewer.keyboard.press("Enter")


def test_held_comments_are_decided_by_key_and_their_authors_are_told(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    hold_all(server, room)
    viewer, other = (enter(new_page(), server, room) for _ in range(2))
    console = open_console(new_page(), server, room, Role.MODERATOR)
    send(viewer, "first")
    expect(viewer.locator(HINT)).to_contain_text("waiting for a moderator")
    send(viewer, "second")
    expect(console.locator(HELD)).to_have_count(2)
    expect(console).to_have_title(f"(2) Console · {room} · danmaku")
    console.keyboard.press("a")
    expect(row(other, "first")).to_be_visible()
    expect(console.locator(HELD)).to_have_count(1)
    console.keyboard.press("x")
    expect(console.locator(HELD)).to_have_text(["Nothing waits."])
    expect(console).to_have_title(f"Console · {room} · danmaku")
    expect(viewer.locator(HINT)).to_contain_text("has not approved")
    expect(viewer.locator("[data-role=text]")).to_have_value("")
    kinds = [one.get_attribute("data-kind") for one in console.locator(LOG).all()]
    assert kinds == ["decide", "decide", "settings"]
    expect(console.locator(TOAST).get_by_role("button")).to_have_count(0)


def test_focus_moves_to_the_next_comment_when_one_is_decided(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    hold_all(server, room)
    viewer = enter(new_page(), server, room)
    console = open_console(new_page(), server, room, Role.MODERATOR)
    for text in ("one", "two", "three"):
        send(viewer, text)
    expect(console.locator(HELD)).to_have_count(3)
    console.locator(HELD).nth(1).get_by_role("button", name="Reject").click()
    expect(console.locator(HELD)).to_have_count(2)
    expect(console.locator(HELD).nth(1).get_by_role("button", name="Approve")).to_be_focused()
    console.keyboard.press("a")
    expect(row(viewer, "three")).to_be_visible()


def test_viewer_reports_a_comment_and_a_moderator_removes_or_dismisses_it(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    viewer, other = (enter(new_page(), server, room) for _ in range(2))
    console = open_console(new_page(), server, room, Role.MODERATOR)
    for text in ("rude", "fine"):
        post(viewer, text)
        row(other, text).click()
        other.get_by_role("button", name="Report to the moderators").click()
        expect(other.locator(HINT)).to_contain_text("Reported")
    expect(console.locator(REPORTS)).to_have_count(2)
    console.locator(REPORTS, has_text="rude").get_by_role("button", name="Remove").click()
    expect(row(viewer, "rude")).to_have_count(0)
    console.locator(REPORTS, has_text="fine").get_by_role("button", name="Dismiss").click()
    expect(console.locator(REPORTS)).to_have_text(["Nothing is reported."])
    expect(row(viewer, "fine")).to_be_visible()


def test_own_comment_has_no_report(server: ServerProcess, room: str, new_page: NewPage) -> None:
    viewer = enter(new_page(), server, room)
    post(viewer, "mine")
    row(viewer, "mine").click()
    expect(viewer.get_by_role("button", name="Copy text")).to_be_visible()
    expect(viewer.get_by_role("button", name="Report to the moderators")).to_have_count(0)


def test_host_holds_comments_with_a_switch_and_with_a_filter(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    viewer = enter(new_page(), server, room)
    console = open_console(new_page(), server, room)
    console.get_by_label("Hold for moderators").fill("spam")
    console.get_by_role("button", name="Apply").click()
    expect(console.locator(TOAST)).to_contain_text("1 in force")
    send(viewer, "spam!")
    expect(console.locator(HELD)).to_contain_text("Filter")
    console.get_by_role("switch", name="Hold every comment").click()
    expect(console.locator(TOAST)).to_contain_text("Settings changed")
    send(viewer, "hello")
    expect(console.locator(HELD)).to_have_count(2)
    console.locator(TOAST).get_by_role("button", name="Undo").click()
    expect(console.get_by_role("switch", name="Hold every comment")).not_to_be_checked()
    post(viewer, "at once")
