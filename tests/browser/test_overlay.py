"""The overlay for OBS and iframes, and the page that composes its address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.browser.overlay_page import OtherSite, post, post_until_shown
from tests.browser.room_page import ON_STAGE, block_websocket
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]
StartServer = Callable[..., Any]

OBS_CSS = "body { background-color: rgba(0, 0, 0, 0); margin: 0px auto; overflow: hidden; }"
OBS_INJECTS = """(css) => {
    const style = document.createElement('style');
    style.appendChild(document.createTextNode(css));
    document.querySelector('head').appendChild(style);
}"""


def test_overlay_is_transparent_also_with_the_css_of_obs(
    server: Any, new_page: NewPage, room: str
) -> None:
    page = new_page()
    page.goto(f"{server.url}/r/{room}/overlay")
    page.evaluate(OBS_INJECTS, OBS_CSS)
    post_until_shown(page, server.url, room, "over the picture")
    grounds = page.evaluate(
        """() => ['html', 'body', '[data-role=stage]'].map(
            (name) => getComputedStyle(document.querySelector(name)).backgroundColor,
        )"""
    )
    assert set(grounds) == {"rgba(0, 0, 0, 0)"}
    assert page.evaluate("document.documentElement.scrollHeight") == page.viewport_size["height"]


def test_custom_css_of_an_overlay_enlarges_comments_without_overlaps(
    server: Any, new_page: NewPage, room: str
) -> None:
    page = new_page()
    page.goto(f"{server.url}/r/{room}/overlay")
    page.evaluate(
        OBS_INJECTS, ".comment { font-size: 50px; line-height: 64px; font-style: italic; }"
    )
    post_until_shown(page, server.url, room, "large")
    for number in range(12):
        post(server.url, room, f"in large letters {number}")
    page.locator(ON_STAGE, has_text="letters 11").wait_for(state="attached")
    heights = page.evaluate(
        f"() => [...document.querySelectorAll('{ON_STAGE}')].map((e) => e.offsetHeight)"
    )
    assert set(heights) == {64}
    assert overlapping(page) == 0


def overlapping(page: Page) -> int:
    """Count pairs of comments that share more than half a pixel both ways."""
    boxes = page.evaluate(
        f"""() => [...document.querySelectorAll('{ON_STAGE}')].map((e) => e.getBoundingClientRect())
            .map(({{ left, top, right, bottom }}) => [left, top, right, bottom])"""
    )
    return sum(
        min(one[2], two[2]) - max(one[0], two[0]) > 0.5
        and min(one[3], two[3]) - max(one[1], two[1]) > 0.5
        for index, one in enumerate(boxes)
        for two in boxes[:index]
    )


def test_overlay_applies_its_query_parameters(server: Any, new_page: NewPage, room: str) -> None:
    page = new_page(viewport={"width": 1920, "height": 1080})
    look = "size=2&speed=0.5&area=0.5&opacity=0.5&modes=scroll,top&names=on&font=Noto%20Serif"
    page.goto(f"{server.url}/r/{room}/overlay?{look}")
    post_until_shown(page, server.url, room, "as I say", name="Mika")
    post(server.url, room, "not shown", mode="bottom")
    post(server.url, room, "shown", mode="top")
    page.locator(ON_STAGE, has_text="shown").wait_for(state="attached")
    assert page.locator(ON_STAGE, has_text="not shown").count() == 0
    comment = page.locator(ON_STAGE, has_text="as I say").first
    assert comment.locator(".comment-name").count() == 1
    assert comment.evaluate("(e) => e.getBoundingClientRect().height / e.offsetHeight") == 2
    assert "Noto Serif" in comment.evaluate("(e) => getComputedStyle(e).fontFamily")
    assert (
        page.evaluate("getComputedStyle(document.querySelector('.stage-plane')).opacity") == "0.5"
    )


def test_overlay_resumes_after_a_server_restart(
    start_server: StartServer, new_page: NewPage, room: str
) -> None:
    server = start_server()
    page = new_page()
    page.goto(f"{server.url}/r/{room}/overlay")
    post_until_shown(page, server.url, room, "before")
    server.stop()
    server.start()
    post_until_shown(page, server.url, room, "after")


def test_overlay_composer_shows_each_choice_in_the_address_and_the_preview(
    server: Any, new_page: NewPage, room: str
) -> None:
    page = new_page()
    page.goto(f"{server.url}/r/{room}/overlay/compose")
    expect(page.locator("[data-role=address]")).to_have_value(f"{server.url}/r/{room}/overlay")
    page.locator("[name=size]").fill("1.5")
    page.locator("label:has([name=area][value='0.5'])").click()
    page.locator("label:has([name=modes][value=top])").click()
    page.locator("label:has([name=names])").click()
    address = f"{server.url}/r/{room}/overlay?size=1.5&area=0.5&modes=scroll%2Cbottom&names=on"
    expect(page.locator("[data-role=address]")).to_have_value(address)
    page.locator(f"{ON_STAGE} .comment-name").first.wait_for(state="attached")
    page.locator("button[type=reset]").click()
    expect(page.locator("[data-role=address]")).to_have_value(f"{server.url}/r/{room}/overlay")


def test_overlay_composer_starts_from_its_query_parameters(
    server: Any, new_page: NewPage, room: str
) -> None:
    page = new_page()
    page.goto(f"{server.url}/r/{room}/overlay/compose?delay=3&most=nonsense&opacity=7")
    expect(page.locator("[data-role=address]")).to_have_value(
        f"{server.url}/r/{room}/overlay?delay=3"
    )


def test_overlay_in_a_sandbox_without_origin_logs_why_it_stays_empty(
    server: Any, new_page: NewPage, other_site: str, room: str
) -> None:
    frame = f'<iframe sandbox="allow-scripts" src="{server.url}/r/{room}/overlay"></iframe>'
    OtherSite.page = f"<!doctype html>{frame}"
    page = new_page()
    page.goto(other_site)
    notice = page.frame_locator("iframe").locator("[data-role=no-origin]")
    expect(notice).to_contain_text("allow-same-origin")
    page.goto(f"{server.url}/r/{room}/overlay")
    expect(page.locator("[data-role=no-origin]")).to_be_hidden()


def no_such_room(route: Route) -> None:
    """Respond as a server without this room does to a GET of the WebSocket's address."""
    error = {"code": "no_such_room", "message": "No such room.", "retry_after": None}
    route.fulfill(status=404, json={"error": error})


@pytest.mark.parametrize("closing", [4500, 4999, 1006], ids=["4500", "4999", "refused"])
def test_overlay_does_not_connect_again_after_a_final_refusal_and_says_why(
    server: ServerProcess, new_page: NewPage, room: str, closing: int
) -> None:
    page = new_page()
    page.clock.install()
    dials: list[str] = []

    def refuse(socket: WebSocketRoute) -> None:
        dials.append(socket.url)
        socket.close(**({} if closing == 1006 else {"code": closing, "reason": "No more."}))

    page.route_web_socket("**/ws/**", refuse)
    page.route("**/ws/**", no_such_room)
    page.goto(f"{server.url}/r/{room}/overlay")
    notice = page.locator("[data-role=ended]")
    expect(notice).to_be_hidden()
    with page.expect_console_message(lambda line: "not connected" in line.text):
        page.clock.run_for(3_000)
    reason = "does not exist" if closing == 1006 else "No more."
    expect(notice).to_contain_text(reason)
    page.clock.run_for(600_000)
    assert len(dials) == 1


@pytest.mark.parametrize("place", ["OBS", "frame"])
def test_overlay_shows_its_audience_no_reason_why_it_is_not_connected(
    server: ServerProcess, new_page: NewPage, other_site: str, room: str, place: str
) -> None:
    page = new_page()
    page.route_web_socket("**/ws/**", lambda socket: socket.close(code=4500, reason="No more."))
    address = f"{server.url}/r/{room}/overlay"
    if place == "OBS":
        page.add_init_script("window.obsstudio = {}")
    else:
        OtherSite.page = f'<!doctype html><iframe src="{address}"></iframe>'
        address = other_site
    with page.expect_console_message(lambda line: "No more." in line.text):
        page.goto(address)
    overlay = page if place == "OBS" else page.frame_locator("iframe")
    expect(overlay.locator("[data-role=ended]")).to_be_hidden()


def test_polling_goes_on_after_a_response_that_is_not_of_this_server(
    server: ServerProcess, new_page: NewPage, room: str
) -> None:
    page = new_page()
    page.clock.install()
    block_websocket(page)
    polls: list[str] = []

    def refuse(route: Route) -> None:
        polls.append(route.request.url)
        route.fulfill(status=403, body="<h1>Forbidden</h1>")

    page.route("**/ws/**", lambda route: route.fulfill(status=404, body="no such page"))
    page.route("**/entries*", refuse)
    page.goto(f"{server.url}/r/{room}/overlay")
    for _ in range(100):
        if len(polls) < 2:
            page.clock.run_for(1_000)
    assert len(polls) >= 2
    expect(page.locator("[data-role=ended]")).to_be_hidden()


OLD_BROWSER = """
delete AbortSignal.any;
for (const name of ['popover', 'showPopover', 'hidePopover', 'togglePopover']) {
    delete HTMLElement.prototype[name];
}
for (const name of ['toSorted', 'toReversed', 'toSpliced', 'with']) delete Array.prototype[name];
for (const name of ['isWellFormed', 'toWellFormed']) delete String.prototype[name];
for (const name of ['currentCSSZoom', 'checkVisibility']) delete Element.prototype[name];
delete Promise.withResolvers;
delete Object.groupBy;
delete Map.groupBy;
delete globalThis.Iterator;
"""


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_overlay_works_without_what_chromium_103_lacks(
    server: Any, new_page: NewPage, room: str, transport: str
) -> None:
    page = new_page()
    page.add_init_script(OLD_BROWSER)
    if transport == "polling":
        block_websocket(page)
    page.goto(f"{server.url}/r/{room}/overlay")
    assert page.evaluate("AbortSignal.any") is None
    post_until_shown(page, server.url, room, f"over {transport}")
