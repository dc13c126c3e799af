"""The session of the page: a reload in the same browser continues as the same guest."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, WebSocketRoute, expect

from tests.browser.room_page import ROWS, TEXTS, block_websocket, enter, post
from tests.support.server_process import ServerProcess


def authors(server: ServerProcess, room: str) -> list[str]:
    with urllib.request.urlopen(f"{server.url}/api/rooms/{room}/entries") as answer:
        return [entry["user"] for entry in json.load(answer)["entries"]]


def post_and_see(page: Page, texts: list[str]) -> None:
    post(page, texts[-1])
    expect(page.locator(TEXTS)).to_have_text(texts)


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_guest_keeps_the_user_id_over_reload_and_server_restart(
    start_server: Callable[..., ServerProcess],
    room: str,
    new_page: Callable[..., Page],
    transport: str,
) -> None:
    server = start_server()
    page = new_page()
    if transport == "polling":
        block_websocket(page)
    post_and_see(enter(page, server, room), ["first"])
    page.reload()
    post_and_see(enter(page, server, room), ["first", "second"])
    server.restart()
    page.reload()
    post_and_see(enter(page, server, room), ["first", "second", "third"])
    assert len(set(authors(server, room))) == 1


def test_own_comments_are_still_marked_after_a_reload(
    server: ServerProcess, room: str, new_context: Callable[..., BrowserContext]
) -> None:
    page = enter(new_context().new_page(), server, room)
    other = enter(new_context().new_page(), server, room)
    post_and_see(page, ["mine"])
    post_and_see(other, ["mine", "another's"])
    own = page.locator(f"{ROWS}.own")
    expect(own.locator(".text")).to_have_text(["mine"])
    page.reload()
    expect(page.locator(ROWS)).to_have_count(2)
    expect(own.locator(".text")).to_have_text(["mine"])


def test_session_of_another_server_is_replaced_without_a_message(
    server: ServerProcess, room: str, new_context: Callable[..., BrowserContext]
) -> None:
    context = new_context()
    token = json.dumps("eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl")
    context.add_init_script(
        f"sessionStorage.seeded ??= localStorage.setItem('danmaku.session ' + origin, {token})"
    )
    page = enter(context.new_page(), server, room)
    post_and_see(page, ["first"])
    expect(page.locator("[data-role=composer] [aria-invalid=true]")).to_have_count(0)
    page.reload()
    post_and_see(enter(page, server, room), ["first", "second"])
    assert len(set(authors(server, room))) == 1


def test_first_post_over_polling_whose_answer_is_lost_is_shown_once(
    server: ServerProcess, room: str, new_page: Callable[..., Page]
) -> None:
    page = new_page()
    lost: list[int] = []

    def connect(socket: WebSocketRoute) -> None:
        if lost:
            socket.connect_to_server()
        else:
            socket.close()

    def lose_answer(route: Route) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)
        route.abort()

    page.route_web_socket("**/ws/**", connect)
    page.route("**/comments", lose_answer)
    post_and_see(enter(page, server, room), ["once"])
    assert lost == [201]
    post_and_see(page, ["once", "and this"])
    assert len(authors(server, room)) == 2
    assert len(set(authors(server, room))) == 1
