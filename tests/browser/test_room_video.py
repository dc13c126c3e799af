"""The video: the test card, the video in its place, and the message if it cannot be played."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from chat.web.pages import HLS_FILE
from chat.web.routes import find_hls
from tests.browser.media_site import HLS_TYPE, NO_NATIVE_HLS, MediaSite, wait_in_page
from tests.browser.room_page import enter
from tests.support.room_admin import change_settings
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]

VIDEO = "[data-role=video]"
TESTCARD = "[data-role=testcard]"
NOTICE = "[data-role=video-notice]"


def watch_film(server: ServerProcess, room: str, new_page: NewPage, media: MediaSite) -> Page:
    """Return a page of the room on which its film plays."""
    change_settings(server, room, video_url=f"{media.url}/film.mp4")
    page = new_page()
    enter(page, server, room)
    assert wait_in_page(page, PLAYS)
    return page


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


PLAYS = "document.querySelector('video').currentTime > 0.2"


@pytest.mark.parametrize("name", ["clip.webm", "film.mp4"])
def test_video_of_the_room_replaces_the_test_card(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite, name: str
) -> None:
    change_settings(server, room, video_url=f"{media.url}/{name}", title="Film")
    page = new_page()
    enter(page, server, room)
    expect(page.locator(VIDEO)).to_be_visible()
    expect(page.locator(TESTCARD)).to_be_hidden()
    expect(page.locator("[data-role=room-title]")).to_have_text("Film")
    assert wait_in_page(page, PLAYS)


def test_change_of_the_video_is_shown_at_once(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    page = new_page()
    enter(page, server, room)
    page.evaluate("document.documentElement.dataset.mark = 'the same page'")
    expect(page.locator(TESTCARD)).to_be_visible()
    for name in ("clip.webm", "film.mp4"):
        change_settings(server, room, video_url=f"{media.url}/{name}")
        expect(page.locator(VIDEO)).to_have_attribute("src", f"{media.url}/{name}")
        assert wait_in_page(page, PLAYS)
    change_settings(server, room, video_url=None)
    expect(page.locator(TESTCARD)).to_be_visible()
    expect(page.locator(VIDEO)).to_be_hidden()
    expect(page.locator(NOTICE)).to_be_hidden()
    assert wait_in_page(page, "document.querySelector('video').readyState === 0")  # and silent
    assert page.evaluate("document.documentElement.dataset.mark") == "the same page"


def test_change_of_other_settings_does_not_restart_the_video(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    page = watch_film(server, room, new_page, media)
    page.evaluate(
        """document.querySelector('video').addEventListener(
            'loadstart', () => document.documentElement.dataset.mark = 'begun again')"""
    )
    change_settings(server, room, title="Friday", delay=1)
    expect(page.locator("[data-role=room-title]")).to_have_text("Friday")
    assert page.evaluate("document.documentElement.dataset.mark") is None
    assert wait_in_page(page, "document.querySelector('video').currentTime > 0.5")


def test_hls_stream_plays_with_hls_js_where_the_browser_does_not_support_it(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    if not (find_hls() / HLS_FILE).is_file():
        pytest.skip("hls.js is not there; tools/fetch_hls.py fetches it")
    change_settings(server, room, video_url=f"{media.url}/film.m3u8")
    page = new_page()
    page.add_init_script(NO_NATIVE_HLS)
    enter(page, server, room)
    expect(page.locator(VIDEO)).to_be_visible()
    # Across the pieces of the playlist, by a source that hls.js feeds.
    assert wait_in_page(page, "document.querySelector('video').currentTime > 1.5")
    assert page.locator(VIDEO).get_attribute("src").startswith("blob:")
    expect(page.locator(NOTICE)).to_be_hidden()
    change_settings(server, room, video_url=f"{media.url}/clip.webm")
    expect(page.locator(VIDEO)).to_have_attribute("src", f"{media.url}/clip.webm")
    assert wait_in_page(page, PLAYS)


def test_hls_stream_plays_natively_where_the_browser_supports_it(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    change_settings(server, room, video_url=f"{media.url}/film.m3u8")
    page = new_page()
    if not page.evaluate(f"document.createElement('video').canPlayType('{HLS_TYPE}')"):
        return  # then the test above is this one
    enter(page, server, room)
    assert wait_in_page(page, "document.querySelector('video').currentTime > 1.5")
    expect(page.locator(VIDEO)).to_have_attribute("src", f"{media.url}/film.m3u8")


def test_hls_stream_without_hls_js_shows_a_message(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    change_settings(server, room, video_url=f"{media.url}/film.m3u8")
    page = new_page()
    page.add_init_script(NO_NATIVE_HLS)
    page.route("**/vendor/**", lambda route: route.fulfill(status=404, body=""))
    enter(page, server, room)
    expect(page.locator(NOTICE)).to_contain_text("hls.js is not installed")
    expect(page.locator(TESTCARD)).to_be_visible()


@pytest.mark.parametrize("name", ["broken.mp4", "broken.m3u8"])
def test_video_that_cannot_be_played_shows_a_message_over_the_test_card(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite, name: str
) -> None:
    change_settings(server, room, video_url=f"{media.url}/{name}")
    page = new_page()
    enter(page, server, room)
    expect(page.locator(NOTICE)).to_be_visible()
    expect(page.locator(TESTCARD)).to_be_visible()
    expect(page.locator("[data-role=on-air-text]")).to_have_text("No stream")
    change_settings(server, room, video_url=f"{media.url}/clip.webm")
    expect(page.locator(VIDEO)).to_be_visible()
    expect(page.locator(NOTICE)).to_be_hidden()


POSITION_IF_STOPPED = """new Promise(resolve => {
    const left = () => document.querySelector('[data-role=comment]').getBoundingClientRect().left;
    const first = left();
    let frames = 0;
    const look = () => {
        if (left() !== first) resolve(null);
        else if ((frames += 1) > 20) resolve(first);
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})"""


WAIT_UNTIL_STOPPED = """new Promise((resolve) => {
    const left = () => document.querySelector('[data-role=comment]').getBoundingClientRect().left;
    const end = performance.now() + 10_000;
    let last = left();
    let frames = 0;
    const look = () => {
        frames = left() === last ? frames + 1 : 0;
        last = left();
        if (frames > 20) resolve(last);
        else if (performance.now() > end) resolve(null);
        else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
})"""


def test_comments_fly_over_a_film_that_has_ended(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    page = watch_film(server, room, new_page, media)
    assert wait_in_page(page, "document.querySelector('video').ended")
    text = page.locator("[data-role=text]")
    text.fill("what a film")
    text.press("Enter")
    expect(page.locator("[data-role=stage] [data-role=comment]")).to_have_count(1)
    assert page.evaluate(POSITION_IF_STOPPED) is None


def test_comments_stop_while_the_video_is_paused(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    page = watch_film(server, room, new_page, media)
    page.evaluate("document.querySelector('video').loop = true")
    text = page.locator("[data-role=text]")
    text.fill("wait for the picture")
    text.press("Enter")
    flying = page.locator("[data-role=stage] [data-role=comment]")
    expect(flying).to_have_count(1)
    page.locator("[data-role=screen]").hover(position={"x": 5, "y": 5})
    page.locator("[data-role=play]").click()
    assert wait_in_page(page, "document.querySelector('video').paused")
    stood = page.evaluate(
        WAIT_UNTIL_STOPPED
    )  # the stage receives the event a moment after the video stopped
    assert stood is not None
    text.fill("not before it goes on")
    text.press("Enter")
    expect(page.locator("[data-role=transcript] [data-seq]")).to_have_count(2)
    assert page.evaluate(POSITION_IF_STOPPED) == stood
    assert flying.count() == 1
    page.locator("[data-role=screen]").hover(position={"x": 5, "y": 5})
    page.locator("[data-role=play]").click()
    moved = "document.querySelector('[data-role=comment]').getBoundingClientRect().left < "
    assert wait_in_page(page, f"{moved}{stood} - 20")
    assert page.evaluate(POSITION_IF_STOPPED) is None


def test_mute_key_and_button_share_a_state_that_survives_a_reload(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    change_settings(server, room, video_url=f"{media.url}/clip.webm")
    page = new_page()
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


def test_player_bar_hides_when_the_pointer_leaves_and_shows_for_keyboard_focus(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    enter(page, server, room)
    bar, theatre = page.locator("[data-role=player-bar]"), page.locator("[data-role=theatre]")
    page.locator("[data-role=screen]").hover()
    theatre.click()
    expect(bar).to_have_css("opacity", "1")
    page.locator("[data-role=viewer-count]").hover()
    expect(bar).to_have_css("opacity", "0")
    page.keyboard.press("Tab")
    expect(page.locator("[data-role=fullscreen]")).to_be_focused()
    expect(bar).to_have_css("opacity", "1")
