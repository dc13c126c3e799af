"""Posts of the page until the server accepts them: retries with the same ref, in order, bounded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.room_page import FIELD, HINT, TEXTS, enter, expect_state, post
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]


class RejectingProxy:
    """A WebSocket proxy that replaces acks of the server by rejections with `retry_after`."""

    def __init__(self, page: Page, code: str, *, times: int, retry_after: float) -> None:
        self.refs: list[str] = []
        self.rejected = 0
        self._rejection = {
            "type": "reject",
            "code": code,
            "message": "",
            "retry_after": retry_after,
        }
        self._times = times
        page.route_web_socket("**/ws/**", self._proxy)

    def wait_until_rejected(self, page: Page, times: int) -> None:
        """Wait for rejections: the page's clock must not advance while a post is in flight."""
        end = time.monotonic() + 15
        while self.rejected < times and time.monotonic() < end:
            page.wait_for_timeout(20)
        assert self.rejected == times

    def _proxy(self, socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()

        def to_server(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] == "post":
                self.refs.append(message["ref"])
            upstream.send(text)

        def to_page(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] == "ack" and self._times > 0:
                self._times -= 1
                self.rejected += 1
                text = json.dumps({**self._rejection, "ref": message["ref"]})
            socket.send(text)

        socket.on_message(to_server)
        upstream.on_message(to_page)


@pytest.mark.parametrize("code", ["not_kept", "busy", "restarting"])
def test_comment_accepted_despite_a_rejection_is_shown_once(
    server: ServerProcess, room: str, new_page: NewPage, code: str
) -> None:
    page = new_page()
    proxy = RejectingProxy(page, code, times=2, retry_after=0.1)
    enter(page, server, room)
    post(page, "once")
    expect(page.locator(TEXTS)).to_have_text(["once"])
    post(page, "and another")
    expect(page.locator(TEXTS)).to_have_text(["once", "and another"])
    first, *again, other = proxy.refs
    # Again for each rejection; a slow machine may add one that was sent before its answer came.
    assert len(again) >= 2
    assert set(again) == {first}
    assert other != first
    expect(page.locator(FIELD)).to_have_value("")
    expect(page.locator(HINT)).to_be_hidden()
    expect_state(page, "live")


def test_comments_posted_while_offline_arrive_in_order_within_the_rate_limit(
    start_server: Callable[..., ServerProcess], room: str, new_page: NewPage
) -> None:
    server = start_server("--post-burst", "2", "--post-rate", "2")
    page = enter(new_page(), server, room)
    server.stop()
    expect(page.locator('[data-role=status]:not([data-state="live"])')).to_be_visible()
    texts = [f"kept {number}" for number in range(6)]
    for text in texts:
        post(page, text)
    server.start()
    expect(page.locator(TEXTS)).to_have_text(texts, timeout=40_000)
    expect(page.locator(FIELD)).to_have_value("")
    expect(page.locator(HINT)).to_be_hidden()


def test_comment_over_the_rate_limit_returns_to_the_field(
    start_server: Callable[..., ServerProcess], room: str, new_page: NewPage
) -> None:
    server = start_server("--post-burst", "1", "--post-rate", "0.1")
    page = enter(new_page(), server, room)
    post(page, "one")
    expect(page.locator(TEXTS)).to_have_text(["one"])
    post(page, "two")
    expect(page.locator(HINT)).to_contain_text("too fast")
    expect(page.locator(FIELD)).to_have_value("two")


def test_comment_rejected_for_a_minute_returns_to_the_field_with_the_reason(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    page.clock.install()
    proxy = RejectingProxy(page, "not_kept", times=100, retry_after=25)
    enter(page, server, room)
    post(page, "does not arrive")
    for tries in (1, 2, 3):
        expect(page.locator(FIELD)).to_have_value("")
        for _ in range(60):
            if len(proxy.refs) < tries:
                page.clock.run_for(1_000)
        proxy.wait_until_rejected(page, tries)
    expect(page.locator(HINT)).to_contain_text("could not be stored")
    expect(page.locator(FIELD)).to_have_value("does not arrive")
    assert len(set(proxy.refs)) == 1
