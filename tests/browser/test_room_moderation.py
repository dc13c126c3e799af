"""What a moderator does on the room page, and what the viewers' pages show of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from chat.core.comment import Role
from tests.browser.room_page import HINT, LIVE, ON_STAGE, ROWS, enter, post, row
from tests.support.api import Api
from tests.support.moderator import Moderator
from tests.support.room_admin import change_settings, sign_token
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]

MENU = "[data-role=comment-card]"
GONE_MS = 1_000


def enter_as(page: Page, server: ServerProcess, room: str, role: Role) -> Page:
    page.goto(f"{server.url}/r/{room}#token={sign_token(server, room, role, 'Mia', 'mia')}")
    expect(page.locator(LIVE)).to_be_visible()
    return page


def choose(page: Page, text: str, act: str) -> None:
    """Open the menu of a comment in the transcript, and choose an act."""
    row(page, text).click()
    page.locator(MENU).get_by_role("button", name=act).click()


@pytest.mark.parametrize("role", [Role.MODERATOR, Role.HOST])
def test_comment_that_a_moderator_removes_is_gone_from_every_screen(
    server: ServerProcess, room: str, new_page: NewPage, role: Role
) -> None:
    overlay, viewer = new_page(), enter(new_page(), server, room)
    overlay.goto(f"{server.url}/r/{room}/overlay")
    moderator = enter_as(new_page(), server, room, role)
    # An overlay connects after a random delay.
    expect(viewer.locator("[data-role=viewer-count]")).to_contain_text("3")
    post(viewer, "keep this")
    post(viewer, "spam spam")
    expect(overlay.locator(ON_STAGE, has_text="spam spam")).to_be_attached(timeout=15_000)
    row(viewer, "spam spam").click()
    expect(viewer.locator(MENU)).to_be_visible()
    choose(moderator, "spam spam", "Remove this comment")
    for page in (viewer, moderator):
        expect(row(page, "spam spam")).to_have_count(0, timeout=GONE_MS)
        expect(page.locator(ON_STAGE, has_text="spam spam")).to_have_count(0, timeout=GONE_MS)
        expect(row(page, "keep this")).to_be_visible()
    expect(viewer.locator(MENU)).to_be_hidden(timeout=GONE_MS)
    expect(overlay.locator(ON_STAGE, has_text="spam spam")).to_have_count(0, timeout=GONE_MS)
    viewer.reload()
    expect(row(viewer, "keep this")).to_be_visible()
    expect(viewer.locator(ROWS)).to_have_count(1)


def test_comments_of_a_user_are_removed_while_a_delay_holds_them_back(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    owl, fox = enter(new_page(), server, room), enter(new_page(), server, room)
    moderator = enter_as(new_page(), server, room, Role.MODERATOR)
    change_settings(server, room, delay=0)
    post(owl, "from the owl")
    expect(row(moderator, "from the owl")).to_be_visible()
    change_settings(server, room, delay=2)
    post(owl, "late from the owl")
    post(fox, "late from the fox")
    choose(moderator, "from the owl", "Remove all comments by")
    expect(row(fox, "from the owl")).to_have_count(0, timeout=GONE_MS)
    expect(row(fox, "late from the fox")).to_be_visible(timeout=5_000)
    expect(row(fox, "late from the owl")).to_have_count(0)
    expect(fox.locator(ON_STAGE, has_text="late from the owl")).to_have_count(0)


@pytest.mark.parametrize(("act", "kind"), [("Mute", "mute"), ("Ban", "ban")])
def test_moderator_mutes_and_bans_from_a_comments_menu(
    server: ServerProcess, room: str, new_page: NewPage, act: str, kind: str
) -> None:
    viewer = enter(new_page(), server, room)
    page = enter_as(new_page(), server, room, Role.MODERATOR)
    post(viewer, "hello")
    expect(row(page, "hello")).to_be_visible()
    with page.expect_response("**/sanctions") as done:
        choose(page, "hello", act)
    made = done.value.json()
    assert made["kind"] == kind
    assert (made["until"] is None) == (kind == "ban")
    with closing(Moderator(server, room)) as moderator:
        assert moderator.call("GET", "sanctions").json["sanctions"] == [made]


@pytest.mark.parametrize("role", [None, Role.VIEWER, Role.BOT])
def test_menu_of_others_has_no_acts(
    server: ServerProcess, room: str, new_page: NewPage, role: Role | None
) -> None:
    viewer = enter(new_page(), server, room)
    page = new_page()
    if role is None:
        enter(page, server, room)
    else:
        enter_as(page, server, room, role)
    post(viewer, "hello")
    row(page, "hello").click()
    menu = page.locator(MENU)
    expect(menu.get_by_role("button", name="Copy text")).to_be_visible()
    expect(menu.get_by_role("button", name="Remove")).to_have_count(0)


def test_act_that_fails_says_so(server: ServerProcess, room: str, new_page: NewPage) -> None:
    viewer = enter(new_page(), server, room)
    moderator = enter_as(new_page(), server, room, Role.MODERATOR)
    post(viewer, "hello")
    moderator.route("**/comments/*", lambda route: route.abort())
    choose(moderator, "hello", "Remove this comment")
    expect(moderator.locator(HINT)).to_contain_text("could not be done")
    expect(row(moderator, "hello")).to_be_visible()


def test_banned_viewer_is_told_and_watches_without_posting_after_a_reload(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    viewer, other = enter(new_page(), server, room), enter(new_page(), server, room)
    post(viewer, "spam")
    expect(row(other, "spam")).to_be_visible()
    with closing(Moderator(server, room)) as mia, closing(Api(server)) as api:
        (comment,) = api.get(f"/api/rooms/{room}/entries").json["entries"]
        mia.call("POST", "sanctions", {"user": comment["user"], "kind": "ban"})
    notice = viewer.locator("[data-role=screen-notice-text]")
    expect(notice).to_contain_text("banned", timeout=GONE_MS)
    viewer.reload()
    expect(viewer.locator(LIVE)).to_be_visible()
    post(other, "still here")
    expect(row(viewer, "still here")).to_be_visible()
    post(viewer, "spam again")
    expect(viewer.locator(HINT)).to_contain_text("banned")
    expect(row(other, "spam again")).to_have_count(0)
