"""The room page's connection: restarts, polling without WebSocket, resuming missed comments."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.browser.room_page import (
    FIELD,
    TEXTS,
    block_websocket,
    enter,
    expect_state,
    post,
    set_hidden,
)
from tests.support.room_admin import change_settings
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]
StartServer = Callable[..., ServerProcess]


def test_tabs_resume_after_a_server_restart_without_loss(
    start_server: StartServer, room: str, new_page: NewPage
) -> None:
    server = start_server()
    pages = [enter(new_page(), server, room) for _ in range(2)]
    post(pages[0], "before")
    for page in pages:
        expect(page.locator(TEXTS)).to_have_text(["before"])
    server.restart()
    for page in pages:
        expect_state(page, "live")
    post(pages[1], "after")
    for page in pages:
        expect(page.locator(TEXTS)).to_have_text(["before", "after"])


def test_comment_posted_while_offline_is_sent_after_reconnecting(
    start_server: StartServer, room: str, new_page: NewPage
) -> None:
    server = start_server()
    page = enter(new_page(), server, room)
    server.stop()
    expect(page.locator('[data-role=status]:not([data-state="live"])')).to_be_visible()
    post(page, "kept for later")
    expect(page.locator("[data-role=unsent-title]")).to_contain_text("Not connected")
    server.start()
    expect(page.locator(TEXTS)).to_have_text(["kept for later"], timeout=30_000)
    expect(page.locator("[data-role=composer-hint]")).to_be_hidden()


def test_button_reconnects_before_the_next_attempt_is_due(
    start_server: StartServer, room: str, new_page: NewPage
) -> None:
    server = start_server()
    page = new_page()
    page.clock.install()
    enter(page, server, room)
    server.stop()
    status = page.locator("[data-role=status]")
    for _ in range(300):
        if status.get_attribute("data-state") == "offline":
            break
        page.clock.run_for(200)  # the delays between the attempts
    expect_state(page, "offline")
    page.clock.pause_at(page.evaluate("Date.now() + 1"))  # no further attempt by itself
    server.start()
    page.get_by_role("button", name="Try now").click()
    page.clock.resume()
    expect_state(page, "live", timeout=5_000)


def test_long_polling_replaces_a_blocked_websocket(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    blocked, other = new_page(), enter(new_page(), server, room)
    block_websocket(blocked)
    enter(blocked, server, room)
    post(other, "over a socket")
    expect(blocked.locator(TEXTS)).to_have_text(["over a socket"])
    post(blocked, "over HTTP")
    for page in (blocked, other):
        expect(page.locator(TEXTS)).to_have_text(["over a socket", "over HTTP"])


def test_polling_viewer_resumes_after_a_server_restart(
    start_server: StartServer, room: str, new_page: NewPage
) -> None:
    server = start_server()
    page = new_page()
    block_websocket(page)
    enter(page, server, room)
    post(page, "before")
    expect(page.locator(TEXTS)).to_have_text(["before"])
    server.restart()
    post(page, "after")
    expect(page.locator(TEXTS)).to_have_text(["before", "after"], timeout=30_000)


def test_rejection_over_http_is_shown_at_the_field(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    block_websocket(page)

    def refuse(route: Route) -> None:
        route.fulfill(
            status=429,
            json={"error": {"code": "too_fast", "message": "Too fast.", "retry_after": 2}},
        )

    page.route(f"**/api/rooms/{room}/comments", refuse)
    enter(page, server, room)
    post(page, "not now")
    expect(page.locator("[data-role=composer-hint]")).to_contain_text("too fast")
    expect(page.locator(FIELD)).to_have_value("not now")


def test_gap_between_batches_is_filled_from_the_cursor(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = new_page(), enter(new_page(), server, room)
    lost: list[str] = []

    def lose_one(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()

        def send_steps(message: str | bytes) -> None:
            if not lost and '"batch"' in str(message):
                lost.append(str(message))
            else:
                socket.send(message)

        upstream.on_message(send_steps)

    page.route_web_socket("**/ws/**", lose_one)
    enter(page, server, room)
    post(other, "lost on the way")
    expect(other.locator(TEXTS)).to_have_count(1)
    post(other, "arrives")
    expect(page.locator(TEXTS)).to_have_text(["lost on the way", "arrives"])
    assert lost


def test_outdated_welcome_is_no_new_epoch_and_applies_no_old_settings(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = new_page(), enter(new_page(), server, room)
    sockets: list[WebSocketRoute] = []

    def overtake(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        is_second = len(sockets) == 2

        def send_steps(text: str | bytes) -> None:
            message = json.loads(text)
            if is_second and message["type"] == "welcome":
                # As written before what the page has by now, through the connection before it.
                message["seq"] -= 1
                message["settings"] = {"title": "old"}
            socket.send(json.dumps(message))

        socket.connect_to_server().on_message(send_steps)

    page.route_web_socket("**/ws/**", overtake)
    enter(page, server, room)
    change_settings(server, room, title="new")
    for text in ("one", "two"):
        post(other, text)
    expect(page.locator(TEXTS)).to_have_text(["one", "two"])
    sockets[0].close(code=1012)
    end = time.monotonic() + 15
    while len(sockets) < 2 and time.monotonic() < end:
        page.wait_for_timeout(20)
    expect_state(page, "live")
    post(other, "three")
    expect(page.locator(TEXTS)).to_have_text(["one", "two", "three"])
    expect(page.locator("[data-role=transcript] .transcript-note")).to_have_count(0)
    expect(page.locator("[data-role=room-title]")).to_have_text("new")
    assert len(sockets) == 2


def skip_after(page: Page, text: str, settings: dict[str, object]) -> None:
    """Let a skip with these settings follow the comment of this text."""

    def stand(socket: WebSocketRoute) -> None:
        def send_steps(frame: str | bytes) -> None:
            socket.send(frame)
            message = json.loads(frame)
            if message["type"] == "batch" and text in str(frame):
                last = message["last"]
                skip = {"type": "skip", "first": last, "last": last, "why": "trimmed"}
                socket.send(json.dumps({**skip, "settings": settings}))

        socket.connect_to_server().on_message(send_steps)

    page.route_web_socket("**/ws/**", stand)


def test_skip_applies_the_settings_it_carries(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = new_page(), enter(new_page(), server, room)
    change_settings(server, room, title="before")
    skip_after(page, "away", {"title": "changed meanwhile"})
    enter(page, server, room)
    expect(page.locator("[data-role=room-title]")).to_have_text("before")
    post(other, "away")
    expect(page.locator("[data-role=room-title]")).to_have_text("changed meanwhile")


def test_skip_applies_its_settings_to_an_overlay(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    overlay, other = new_page(), enter(new_page(), server, room)
    change_settings(server, room, delay=600)
    skip_after(overlay, "away", {"delay": 0})
    overlay.goto(f"{server.url}/r/{room}/overlay")
    expect(other.locator("[data-role=viewer-count]")).to_have_text("2")
    post(other, "away")
    post(other, "seen at once")
    flying = overlay.locator("[data-role=stage] [data-role=comment]")
    expect(flying.filter(has_text="seen at once")).to_have_count(1)


def test_clear_removes_every_comment_up_to_and_including_its_before(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = new_page(), enter(new_page(), server, room)

    def clear_two(socket: WebSocketRoute) -> None:
        def pass_on(frame: str | bytes) -> None:
            socket.send(frame)
            message = json.loads(frame)
            if message["type"] == "batch" and message["last"] == 3:
                clear = {"kind": "clear", "seq": 4, "before": 2}
                socket.send(json.dumps({**message, "first": 4, "last": 4, "entries": [clear]}))

        socket.connect_to_server().on_message(pass_on)

    page.route_web_socket("**/ws/**", clear_two)
    enter(page, server, room)
    flying = page.locator("[data-role=stage] [data-role=comment]")
    for number, text in enumerate(("one", "two"), start=1):
        post(other, text)
        expect(page.locator(TEXTS)).to_have_count(number)
        expect(flying).to_have_count(number)
    post(other, "three")
    expect(page.locator(TEXTS)).to_have_text(["three"])
    expect(flying).to_have_text(["three"])


def test_hidden_tab_pauses_and_catches_up_when_visible(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = new_page(), enter(new_page(), server, room)
    sent: list[str] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framesent", lambda payload: sent.append(str(payload))),
    )
    enter(page, server, room)
    set_hidden(page, hidden=True)
    post(other, "while hidden")
    expect(other.locator(TEXTS)).to_have_count(1)
    expect(page.locator(TEXTS)).to_have_count(0)
    set_hidden(page, hidden=False)
    expect(page.locator(TEXTS)).to_have_text(["while hidden"])
    assert [kind for kind in ("pause", "resume") if any(kind in frame for frame in sent)] == [
        "pause",
        "resume",
    ]
