"""The picture: the test card, a video in its place, what is told when it cannot be played."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect

from tests.serving import ServerProcess

NewPage = Callable[..., Page]

VIDEO = "[data-role=video]"
TESTCARD = "[data-role=testcard]"
NOTICE = "[data-role=video-notice]"


@pytest.fixture(scope="module")
def clip(browser: Browser) -> bytes:
    """Three seconds of WebM, recorded by the browser itself."""
    page = browser.new_page()
    encoded = page.evaluate(
        """async () => {
            const canvas = Object.assign(document.createElement('canvas'), {width: 64, height: 36});
            const context = canvas.getContext('2d');
            const recorder = new MediaRecorder(canvas.captureStream(10), {mimeType: 'video/webm'});
            const parts = [];
            recorder.ondataavailable = ({data}) => parts.push(data);
            recorder.start();
            let hue = 0;
            const drawing = setInterval(() => {
                context.fillStyle = `hsl(${hue += 20} 80% 50%)`;
                context.fillRect(0, 0, 64, 36);
            }, 50);
            await new Promise(resolve => setTimeout(resolve, 3000));
            clearInterval(drawing);
            await new Promise(resolve => { recorder.onstop = resolve; recorder.stop(); });
            const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
            return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''));
        }"""
    )
    page.close()
    return base64.b64decode(encoded)


def choose_video(page: Page, url: str) -> None:
    """Let the room's settings name a video, as its host would."""

    def change(socket: WebSocketRoute) -> None:
        upstream = socket.connect_to_server()

        def pass_on(text: str | bytes) -> None:
            message = json.loads(text)
            if message["type"] == "welcome":
                message["settings"] = {**message["settings"], "video_url": url, "title": "Film"}
            socket.send(json.dumps(message))

        upstream.on_message(pass_on)

    page.route_web_socket("**/ws/**", change)


def wait_in_page(page: Page, condition: str) -> bool:
    """Wait until a condition holds in the page; its policy forbids Playwright's own way."""
    return page.evaluate(
        f"""new Promise(resolve => {{
            const end = performance.now() + 10_000;
            const look = () => {{
                if ({condition}) resolve(true);
                else if (performance.now() > end) resolve(false);
                else setTimeout(look, 30);
            }};
            look();
        }})"""
    )


def enter(page: Page, server: ServerProcess, room: str) -> None:
    page.goto(f"{server.url}/r/{room}")
    expect(page.locator('[data-role=status][data-state="live"]')).to_be_visible()


def test_room_without_a_video_shows_the_test_card_with_a_running_clock(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    enter(page, server, room)
    expect(page.locator(TESTCARD)).to_contain_text(room)
    expect(page.locator(VIDEO)).to_be_hidden()
    clock = page.locator("[data-role=clock]")
    shown = clock.text_content()
    assert shown is not None
    expect(clock).not_to_have_text(shown, timeout=2500)


def test_video_of_the_room_plays_in_the_place_of_the_test_card(
    server: ServerProcess, room: str, new_page: NewPage, clip: bytes
) -> None:
    page = new_page()
    page.route("**/clip.webm", lambda route: route.fulfill(body=clip, content_type="video/webm"))
    choose_video(page, f"{server.url}/clip.webm")
    enter(page, server, room)
    expect(page.locator(VIDEO)).to_be_visible()
    expect(page.locator(TESTCARD)).to_be_hidden()
    expect(page.locator("[data-role=room-title]")).to_have_text("Film")
    assert wait_in_page(page, "document.querySelector('video').currentTime > 0.2")


def test_mute_key_and_button_agree_and_are_remembered(
    server: ServerProcess, room: str, new_page: NewPage, clip: bytes
) -> None:
    page = new_page()
    page.route("**/clip.webm", lambda route: route.fulfill(body=clip, content_type="video/webm"))
    choose_video(page, f"{server.url}/clip.webm")
    enter(page, server, room)
    expect(page.locator(VIDEO)).to_be_visible()
    page.locator("[data-role=screen]").hover()
    mute = page.locator("[data-role=mute]")
    page.evaluate("document.querySelector('video').muted = false")
    expect(mute).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    expect(mute).to_have_attribute("aria-pressed", "false")
    assert page.evaluate("document.querySelector('video').muted")
    page.reload()
    expect(mute).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("name", ["broken.mp4", "live.m3u8"])
def test_video_that_cannot_be_played_is_told_in_a_sentence_over_the_test_card(
    server: ServerProcess, room: str, new_page: NewPage, name: str
) -> None:
    page = new_page()

    def fail(route: Route) -> None:
        route.fulfill(status=404, body="")

    page.route(f"**/{name}", fail)
    page.route("**/vendor/**", fail)
    choose_video(page, f"{server.url}/{name}")
    enter(page, server, room)
    expect(page.locator(NOTICE)).to_be_visible()
    expect(page.locator(TESTCARD)).to_be_visible()
    expect(page.locator("[data-role=on-air-text]")).to_have_text("No stream")


def test_fullscreen_keeps_the_stage_and_the_composer(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    enter(page, server, room)
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    assert wait_in_page(page, "document.fullscreenElement !== null")
    kept = page.evaluate(
        """['stage', 'composer'].map(role =>
            document.fullscreenElement.contains(document.querySelector(`[data-role=${role}]`)))"""
    )
    assert kept == [True, True]
    page.keyboard.press("f")
    assert wait_in_page(page, "document.fullscreenElement === null")
