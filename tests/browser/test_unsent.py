"""Posts that the server has not confirmed: shown apart from the comments until it has."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.room_page import FIELD, HINT, TEXTS, enter, expect_state, post
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]

TITLE = "[data-role=unsent-title]"
UNSENT = "[data-role=unsent-list] li"
RETRY = "[data-role=unsent-retry]"


class SilentProxy:
    """A WebSocket proxy that passes nothing on to the page while it is silent."""

    def __init__(self, page: Page) -> None:
        self._kept: list[str | bytes] = []
        self._is_silent = False
        page.route_web_socket("**/ws/**", self._proxy)

    def begin_silence(self) -> None:
        self._is_silent = True

    def end_silence(self) -> None:
        """Pass on what was kept back."""
        self._is_silent = False
        for message in self._kept:
            self._socket.send(message)

    def _proxy(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        upstream = socket.connect_to_server()
        upstream.on_message(
            lambda text: (self._kept.append if self._is_silent else socket.send)(text)
        )


def test_post_without_a_reply_looks_unsent_after_a_second_until_the_reply_comes(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    proxy = SilentProxy(page)
    enter(page, server, room)
    proxy.begin_silence()
    post(page, "is anybody there?")
    expect(page.locator(UNSENT)).to_have_text(["is anybody there?"], timeout=1_500)
    expect(page.get_by_text("Not sent yet")).to_be_visible()
    expect_state(page, "live")
    proxy.end_silence()
    expect(page.locator(UNSENT)).to_have_count(0)
    expect(page.locator(TEXTS)).to_have_text(["is anybody there?"])
    expect(page.get_by_text("Not sent yet")).to_be_hidden()


def test_post_with_a_quick_reply_never_looks_unsent(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    page.clock.install()
    enter(page, server, room)
    page.evaluate(
        """() => new MutationObserver(() => document.body.dataset.seen = 'unsent').observe(
            document.querySelector('[data-role=unsent]'), { childList: true, subtree: true })"""
    )
    page.clock.pause_at(page.evaluate("Date.now() + 1"))
    post(page, "quick")
    end = time.monotonic() + 10
    while page.locator(TEXTS).count() == 0 and time.monotonic() < end:
        page.clock.run_for(1)  # however long it takes, for the page it is quick
    page.clock.run_for(5_000)
    expect(page.locator(TEXTS)).to_have_text(["quick"])
    assert page.evaluate("document.body.dataset.seen") is None


def test_posts_without_a_connection_look_unsent_at_once_and_can_be_tried(
    start_server: Callable[..., ServerProcess], room: str, new_page: NewPage
) -> None:
    server = start_server()
    page = enter(new_page(), server, room)
    server.stop()
    expect(page.locator('[data-role=status]:not([data-state="live"])')).to_be_visible()
    post(page, "one")
    post(page, "two")
    expect(page.locator(UNSENT)).to_have_text(["one", "two"])
    expect(page.locator(TITLE)).to_contain_text("when the connection is back")
    expect(page.locator(HINT)).to_be_hidden()  # it would cover them, and say the same
    expect_state(page, "offline", timeout=30_000)
    server.start()
    page.locator(RETRY).click()
    expect(page.locator(TEXTS)).to_have_text(["one", "two"])
    expect(page.locator(UNSENT)).to_have_count(0)
    expect(page.locator(RETRY)).to_be_hidden()


def test_without_the_list_of_comments_the_composer_says_that_a_post_waits(
    start_server: Callable[..., ServerProcess], room: str, new_page: NewPage
) -> None:
    server = start_server()
    page = enter(new_page(), server, room)
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    server.stop()
    expect(page.locator('[data-role=status]:not([data-state="live"])')).to_be_visible()
    post(page, "in theatre mode")
    expect(page.locator(HINT)).to_be_visible()
    expect(page.locator(HINT)).to_contain_text("when the connection is back")


def test_rejected_post_returns_to_the_field_and_is_not_unsent(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()

    def reject(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()

        def answer(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] != "post":
                return upstream.send(text)
            rejection = {
                "type": "reject",
                "code": "text_empty",
                "message": "",
                "ref": message["ref"],
            }
            socket.send(json.dumps(rejection))
            return None

        socket.on_message(answer)

    page.route_web_socket("**/ws/**", reject)
    enter(page, server, room)
    post(page, "no")
    expect(page.locator(FIELD)).to_have_value("no")
    expect(page.locator(UNSENT)).to_have_count(0)
