"""Tabs of the page on a network that blocks WebSocket: together they leave room for requests."""

from __future__ import annotations

import time
from collections.abc import Callable

from playwright.sync_api import BrowserContext, expect

from tests.browser.room_page import TEXTS, enter, post
from tests.support.server_metrics import read_metric
from tests.support.server_process import ServerProcess

TABS = 6  # as many connections as a browser opens to a server over HTTP/1.1
LONG_POLLS = 3  # SLOTS in static/js/connection/long-poll-slots.js
LONGEST_WAIT = 2.0


def wait_for_long_polls(server: ServerProcess, count: int) -> None:
    """Wait until the server holds so many."""
    end = time.monotonic() + 15
    while read_metric(server, "danmaku_long_polls") != count:
        assert time.monotonic() < end
        time.sleep(0.05)


def test_tabs_that_poll_delay_neither_posts_nor_pages(
    server: ServerProcess, room: str, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context()
    context.route_web_socket("**/ws/**", lambda socket: socket.close())
    pages = [enter(context.new_page(), server, room) for _ in range(TABS)]
    wait_for_long_polls(server, LONG_POLLS)
    started = time.monotonic()
    with pages[0].expect_response(lambda response: "/comments" in response.url) as answer:
        post(pages[0], "hello")
    assert answer.value.status == 201
    assert time.monotonic() - started < LONGEST_WAIT
    for page in pages:
        expect(page.locator(TEXTS)).to_have_text(["hello"])
    wait_for_long_polls(server, LONG_POLLS)
    started = time.monotonic()
    context.new_page().goto(f"{server.url}/r/{room}")
    assert time.monotonic() - started < LONGEST_WAIT
