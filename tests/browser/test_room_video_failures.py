"""Retries of a video that fails."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from chat.web.pages import HLS_FILE
from chat.web.routes import find_hls
from tests.browser.media_site import NO_NATIVE_HLS, LiveStream, MediaSite, wait_in_page
from tests.browser.room_page import enter, post
from tests.support.room_admin import change_settings
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]

VIDEO = "[data-role=video]"
TESTCARD = "[data-role=testcard]"
NOTICE = "[data-role=video-notice]"
RETRY = "[data-role=video-retry]"
BACK_SECONDS = 30
# The picture moves on from where it is now.
MOVES = """(video => {
    const {dataset, currentTime} = video;
    if (!video.hidden && dataset.from && currentTime > Number(dataset.from) + 0.2) return true;
    if (!dataset.from || currentTime < Number(dataset.from)) dataset.from = currentTime;
    return false;
})(document.querySelector('video'))"""


@pytest.fixture
def live(media: MediaSite) -> LiveStream:
    if not (find_hls() / HLS_FILE).is_file():
        pytest.skip("hls.js is not there; tools/fetch_hls.py fetches it")
    media.live.absent = media.live.ended = False
    media.answers.set()
    media.live.begin_anew()
    return media.live


def watch(
    server: ServerProcess, room: str, page: Page, url: str, *, stuck_ms: int = 12_000
) -> Page:
    """Enter a room with a video, in a browser without HLS of its own."""

    def change_limit(route: Route) -> None:
        body = re.sub(r"STUCK_MS = \w+", f"STUCK_MS = {stuck_ms}", route.fetch().text())
        body = re.sub(r"LOOK_MS = \w+", "LOOK_MS = 1000", body)
        route.fulfill(body=body, content_type="text/javascript")

    page.add_init_script(NO_NATIVE_HLS)
    page.route("**/media-state.js*", change_limit)
    change_settings(server, room, video_url=url)
    return enter(page, server, room)


def expect_video(page: Page, state: str, timeout: float = BACK_SECONDS * 1000) -> None:
    """Wait until the video is in this state."""
    expect(page.locator("[data-role=room-main]")).to_have_attribute(
        "data-video", state, timeout=timeout
    )


def test_stream_without_a_playlist_at_load_plays_once_it_exists(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite, live: LiveStream
) -> None:
    live.absent = True
    page = watch(server, room, new_page(), f"{media.url}/live.m3u8")
    expect_video(page, "failed")
    expect(page.locator(TESTCARD)).to_be_visible()
    expect(page.locator(NOTICE)).to_contain_text("Retrying automatically")
    live.absent = False
    assert wait_in_page(page, MOVES, BACK_SECONDS)
    expect(page.locator(NOTICE)).to_be_hidden()
    expect(page.locator("[data-role=on-air]")).to_have_attribute("data-live", "true")


def test_stream_plays_again_after_its_playlist_was_missing_for_four_seconds(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite, live: LiveStream
) -> None:
    page = watch(server, room, new_page(), f"{media.url}/live.m3u8")
    assert wait_in_page(page, MOVES, BACK_SECONDS)
    live.absent = True
    page.wait_for_timeout(4000)  # the fault, not a wait for an effect
    live.absent = False
    page.evaluate("delete document.querySelector('video').dataset.from")
    assert wait_in_page(page, MOVES, BACK_SECONDS)
    expect_video(page, "playing")


def test_stream_whose_numbers_start_anew_comes_back(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite, live: LiveStream
) -> None:
    live.begin_anew(since=1000)
    page = watch(server, room, new_page(), f"{media.url}/live.m3u8", stuck_ms=3000)
    assert wait_in_page(page, MOVES, BACK_SECONDS)
    with page.expect_request(re.compile(r"\.m4s\?\d$"), timeout=BACK_SECONDS * 1000):
        live.begin_anew(since=2)
    page.evaluate(
        """(video => {
            const {buffered} = video;
            const source = video.src;
            const end = buffered.length ? buffered.end(buffered.length - 1) : 0;
            window.isNew = () => video.currentTime > (video.src === source ? end : 0) + 0.2;
        })(document.querySelector('video'))"""
    )
    assert wait_in_page(page, "window.isNew()", BACK_SECONDS)
    expect_video(page, "playing")


def test_stream_whose_server_stops_answering_comes_back(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite, live: LiveStream
) -> None:
    page = watch(server, room, new_page(), f"{media.url}/live.m3u8", stuck_ms=3000)
    assert wait_in_page(page, MOVES, BACK_SECONDS)
    media.answers.clear()
    expect_video(page, "failed")
    media.answers.set()
    expect_video(page, "playing")


def test_comments_fly_over_a_live_stream_that_buffers_and_the_page_says_so(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite, live: LiveStream
) -> None:
    page = watch(server, room, new_page(), f"{media.url}/live.m3u8")
    assert wait_in_page(page, MOVES, BACK_SECONDS)
    expect(page.locator(NOTICE)).to_be_hidden()
    media.answers.clear()
    expect_video(page, "waiting")
    expect(page.locator(NOTICE)).to_be_visible()
    expect(page.locator(NOTICE)).to_contain_text("Buffering…")
    expect(page.locator(RETRY)).to_be_hidden()
    post(page, "while it buffers")
    flying = page.locator("[data-role=stage] [data-role=comment]")
    expect(flying).to_have_count(1)
    left = "document.querySelector('[data-role=comment]').getBoundingClientRect().left"
    assert wait_in_page(page, f"{left} < {page.evaluate(left)} - 50")
    assert page.evaluate("document.querySelector('video').readyState") < 3  # it still waits
    media.answers.set()
    expect_video(page, "playing")
    expect(page.locator(NOTICE)).to_be_hidden()


def test_stream_that_restarts_after_its_end_is_played_again(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite, live: LiveStream
) -> None:
    page = watch(server, room, new_page(), f"{media.url}/live.m3u8")
    assert wait_in_page(page, MOVES, BACK_SECONDS)
    live.ended = True
    expect_video(page, "ended")
    live.ended = False
    live.begin_anew()
    expect_video(page, "playing")


def test_interrupted_video_file_plays_again_after_a_retry(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    media.cut.add("/clip.webm")
    page = watch(server, room, new_page(), f"{media.url}/clip.webm", stuck_ms=3000)
    expect_video(page, "failed")
    media.cut.clear()
    expect_video(page, "playing")
    expect_video(page, "ended")


def test_comments_fly_while_the_video_is_tried_again(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    page = watch(server, room, new_page(), f"{media.url}/absent.mp4")
    expect_video(page, "failed")
    post(page, "over the test card")
    expect(page.locator("[data-role=stage] [data-role=comment]")).to_have_count(1)


def test_button_tries_the_video_again_at_once(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    asked: list[str] = []
    page = new_page()
    page.on("request", lambda request: asked.append(request.url))
    watch(server, room, page, f"{media.url}/absent.webm")
    for _ in range(4):  # until the wait is long
        expect_video(page, "failed")
        with page.expect_request("**/absent.webm"):
            page.locator(RETRY).click()
    expect_video(page, "failed")
    media.files["/absent.webm"] = media.files["/clip.webm"]
    with page.expect_request("**/absent.webm", timeout=2000):
        page.locator(RETRY).click()
    assert wait_in_page(page, "!document.querySelector('video').hidden")
    del media.files["/absent.webm"]


def test_button_to_try_again_has_a_chinese_label(
    server: ServerProcess, room: str, new_page: NewPage, media: MediaSite
) -> None:
    page = watch(server, room, new_page(locale="zh-CN"), f"{media.url}/absent.mp4")
    expect(page.locator(RETRY)).to_have_text("重试")
    expect(page.locator(NOTICE)).to_contain_text("会自动重试")
