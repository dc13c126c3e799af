"""What the page says, until the server has it: sent again under its ref, in order, not for ever."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.test_connection import FIELD, TEXTS, enter, expect_state, say
from tests.serving import ServerProcess

NewPage = Callable[..., Page]
HINT = "[data-role=composer-hint]"


class Between:
    """Stands between a page and the server, and says "not now" where the server answered."""

    def __init__(self, page: Page, code: str, *, times: int, retry_after: float) -> None:
        self.refs: list[str] = []
        self.refused = 0
        self._refusal = {"type": "reject", "code": code, "message": "", "retry_after": retry_after}
        self._times = times
        page.route_web_socket("**/ws/**", self._stand)

    def wait_until_refused(self, page: Page, times: int) -> None:
        """Wait for an answer, so that no time passes on the page's clock while it is under way."""
        end = time.monotonic() + 15
        while self.refused < times and time.monotonic() < end:
            page.wait_for_timeout(20)
        assert self.refused == times

    def _stand(self, socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()

        def pass_up(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] == "post":
                self.refs.append(message["ref"])
            upstream.send(text)

        def pass_down(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] == "ack" and self._times > 0:
                self._times -= 1
                self.refused += 1
                text = json.dumps({**self._refusal, "ref": message["ref"]})
            socket.send(text)

        socket.on_message(pass_up)
        upstream.on_message(pass_down)


@pytest.mark.parametrize("code", ["not_kept", "busy", "restarting"])
def test_comment_that_was_kept_after_all_is_shown_once(
    server: ServerProcess, room: str, new_page: NewPage, code: str
) -> None:
    page = new_page()
    between = Between(page, code, times=2, retry_after=0.1)
    enter(page, server.url, room)
    say(page, "once")
    expect(page.locator(TEXTS)).to_have_text(["once"])
    say(page, "and another")
    expect(page.locator(TEXTS)).to_have_text(["once", "and another"])
    first, *again, other = between.refs
    assert again == [first, first]
    assert other != first
    expect(page.locator(FIELD)).to_have_value("")
    expect(page.locator(HINT)).to_be_hidden()
    expect_state(page, "live")


def test_comments_typed_while_offline_wait_for_the_limits_and_arrive_in_order(
    start_server: Callable[..., ServerProcess], room: str, new_page: NewPage
) -> None:
    server = start_server("--post-burst", "2", "--post-rate", "2")
    page = enter(new_page(), server.url, room)
    server.stop()
    expect(page.locator('[data-role=status]:not([data-state="live"])')).to_be_visible()
    texts = [f"kept {number}" for number in range(6)]
    for text in texts:
        say(page, text)
    server.start()
    expect(page.locator(TEXTS)).to_have_text(texts, timeout=40_000)
    expect(page.locator(FIELD)).to_have_value("")
    expect(page.locator(HINT)).to_be_hidden()


def test_comment_made_live_that_comes_too_fast_is_given_back_at_once(
    start_server: Callable[..., ServerProcess], room: str, new_page: NewPage
) -> None:
    server = start_server("--post-burst", "1", "--post-rate", "0.1")
    page = enter(new_page(), server.url, room)
    say(page, "one")
    expect(page.locator(TEXTS)).to_have_text(["one"])
    say(page, "two")
    expect(page.locator(HINT)).to_contain_text("too fast")
    expect(page.locator(FIELD)).to_have_value("two")


def test_comment_that_is_refused_for_a_minute_is_given_back_with_the_reason(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    page.clock.install()
    between = Between(page, "not_kept", times=100, retry_after=25)
    enter(page, server.url, room)
    say(page, "does not arrive")
    for tries in (1, 2, 3):
        expect(page.locator(FIELD)).to_have_value("")
        for _ in range(60):
            if len(between.refs) < tries:
                page.clock.run_for(1_000)
        between.wait_until_refused(page, tries)
    expect(page.locator(HINT)).to_contain_text("could not be kept")
    expect(page.locator(FIELD)).to_have_value("does not arrive")
    assert len(set(between.refs)) == 1
