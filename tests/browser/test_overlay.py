"""The overlay for OBS, the page that composes its address, and the stage on other sites."""

from __future__ import annotations

import http.server
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from playwright.sync_api import Page, expect

from tests.browser.room_page import ON_STAGE, block_websocket
from tests.support.room_admin import change_settings

NewPage = Callable[..., Page]
StartServer = Callable[..., Any]

OBS_CSS = "body { background-color: rgba(0, 0, 0, 0); margin: 0px auto; overflow: hidden; }"
OBS_INJECTS = """(css) => {
    const style = document.createElement('style');
    style.appendChild(document.createTextNode(css));
    document.querySelector('head').appendChild(style);
}"""
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "embed.html"


def post(url: str, room: str, text: str, **more: str) -> None:
    """Post to a room over HTTP."""
    body = msgspec.json.encode({"text": text, **more})
    request = urllib.request.Request(f"{url}/api/rooms/{room}/comments", body)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201


def post_until_shown(page: Page, url: str, room: str, text: str, **more: str) -> None:
    """Post until the comment is shown: an overlay does not show whether it is connected."""
    for _ in range(20):
        post(url, room, text, **more)
        try:
            page.locator(ON_STAGE, has_text=text).first.wait_for(state="attached", timeout=1000)
        except Exception:
            continue
        return
    pytest.fail(f"{text!r} was never shown")


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


class OtherSite(http.server.BaseHTTPRequestHandler):
    """The page of another site: the example, with the address of the server under test."""

    page: ClassVar[str] = ""

    @classmethod
    def embed(cls, server: Any, room: str) -> None:
        """Let the page embed this room."""
        example = EXAMPLE.read_text().replace("http://127.0.0.1:8888", server.url)
        cls.page = example.replace('"demo"', f'"{room}"')

    def do_GET(self) -> None:
        """Respond to every request with the page."""
        body = self.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests."""


@pytest.fixture
def other_site() -> Iterator[str]:
    """A site of another origin that serves ``OtherSite.page``."""
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherSite)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{site.server_port}"
    site.shutdown()
    site.server_close()


def test_embedded_stage_covers_the_video_of_another_site(
    start_server: StartServer, new_page: NewPage, other_site: str, room: str
) -> None:
    server = start_server("--allowed-origins", other_site)
    OtherSite.embed(server, room)
    page = new_page()
    page.goto(other_site)
    stage = page.locator("danmaku-stage")
    post_until_shown(page, server.url, room, "from elsewhere")
    video = page.locator("video").bounding_box()
    assert stage.bounding_box() == video
    page.set_viewport_size({"width": 700, "height": 600})
    page.wait_for_function(
        """() => {
            const [one, two] = ['video', 'danmaku-stage'].map((name) =>
                JSON.stringify(document.querySelector(name).getBoundingClientRect()));
            return one === two;
        }"""
    )
    stage.evaluate("(element) => element.setAttribute('opacity', '0.25')")
    plane = "document.querySelector('danmaku-stage').shadowRoot.querySelector('.stage-plane')"
    page.wait_for_function(f"() => getComputedStyle({plane}).opacity === '0.25'")
    stage.evaluate("(element) => element.remove()")


def test_embedded_stage_applies_the_room_delay_and_avoids_the_video_controls(
    start_server: StartServer, new_page: NewPage, other_site: str, room: str
) -> None:
    server = start_server("--allowed-origins", other_site, "--post-rate", "0")
    OtherSite.embed(server, room)
    page = new_page()
    page.goto(other_site)
    post_until_shown(page, server.url, room, "at the foot", mode="bottom")
    foot = page.locator(ON_STAGE, has_text="at the foot").last.bounding_box()
    video = page.locator("video").bounding_box()
    assert foot is not None
    assert video is not None
    assert foot["y"] + foot["height"] <= video["y"] + video["height"] - 60
    change_settings(server, room, delay=2.5)
    began = time.monotonic()
    post(server.url, room, "a goal")
    page.locator(ON_STAGE, has_text="a goal").wait_for(state="attached")
    assert 2.4 < time.monotonic() - began < 6


def test_embedded_stage_stays_empty_on_an_origin_that_is_not_allowed(
    server: Any, new_page: NewPage, other_site: str, room: str
) -> None:
    OtherSite.embed(server, room)
    page = new_page()
    with page.expect_response(lambda response: "/ws/" in response.url) as reason:
        page.goto(other_site)
    assert reason.value.status == 403
    post(server.url, room, "not for you")
    expect(page.locator(ON_STAGE)).to_have_count(0)


def test_embedded_stage_logs_that_a_page_without_origin_is_refused(
    server: Any, new_page: NewPage, tmp_path: Path, room: str
) -> None:
    OtherSite.embed(server, room)
    file = tmp_path / "page.html"
    file.write_text(OtherSite.page)
    page = new_page()
    with page.expect_console_message(lambda line: "has no origin" in line.text):
        page.goto(file.as_uri())


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


COVERED = """() => {
    const [one, two] = ['video', 'danmaku-stage'].map((name) =>
        document.querySelector(name)?.getBoundingClientRect());
    if (!one || !two || one.width < 10) return false;
    const sides = ['left', 'top', 'right', 'bottom'];
    return sides.every((side) => Math.abs(one[side] - two[side]) <= 1);
}"""
VIDEO = '<video id="show" style="width: 400px; height: 225px; background: #123"></video>'
STAGE = '<danmaku-stage room="{room}" for="show"></danmaku-stage>'
LAYOUTS = {
    "scaled": "<div style='transform: scale(.5)'>{video}{stage}</div>",
    "scaled, stage outside": "<div style='transform: scale(.5)'>{video}</div>{stage}",
    "turned": "<div style='rotate: 30deg; margin: 200px'>{video}{stage}</div>",
    "turned, stage outside": "<div style='transform: rotate(20deg)'>{video}</div>{stage}",
    "stage in another scale": "{video}<div style='transform: scale(2) rotate(10deg)'>{stage}</div>",
    "zoomed": "<div style='zoom: 1.5'>{video}{stage}</div>",
    "zoomed, stage outside": "<div style='zoom: .75'>{video}</div>{stage}",
    "scrolled box": """<div id="box" style="height: 300px; overflow: auto; position: relative">
        <div style="height: 200px"></div>{video}<div style="height: 900px"></div></div>{stage}""",
    "sticky": """<div style="position: sticky; top: 0">{video}{stage}</div>
        <div style="height: 3000px"></div>""",
    "stage in a positioned box": """<p>words</p>{video}
        <div style="position: absolute; left: 300px; top: 99px; border: 7px solid">{stage}</div>""",
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_embedded_stage_covers_the_video_in_every_layout(
    server: Any, new_page: NewPage, other_site: str, room: str, layout: str
) -> None:
    stage = STAGE.format(room=room)
    script = f'<script type="module" src="{server.url}/static/js/embed.js"></script>'
    OtherSite.page = f"<!doctype html>{layout.format(video=VIDEO, stage=stage)}{script}"
    page = new_page()
    page.goto(other_site)
    page.wait_for_function(COVERED)
    page.evaluate("document.getElementById('box')?.scrollBy(0, 150); scrollBy(0, 400)")
    page.wait_for_function(COVERED)
    page.evaluate("document.querySelector('video').style.transform = 'translate(90px, 30px)'")
    page.wait_for_function(COVERED)


def test_embedded_stage_follows_a_video_that_an_animation_moves(
    server: Any, new_page: NewPage, other_site: str, room: str
) -> None:
    script = f'<script type="module" src="{server.url}/static/js/embed.js"></script>'
    OtherSite.page = f"<!doctype html>{VIDEO}{STAGE.format(room=room)}{script}"
    page = new_page()
    page.goto(other_site)
    page.wait_for_function(COVERED)
    apart = page.evaluate(
        f"""async () => {{
            const paint = (done) => requestAnimationFrame(() => setTimeout(done));
            const frame = () => new Promise(paint);
            const video = document.querySelector('video');
            const path = [{{ transform: 'none' }}, {{ transform: 'translate(500px, 200px)' }}];
            const animation = video.animate(path, {{ duration: 1500, fill: 'forwards' }});
            const covered = {COVERED};
            while (animation.currentTime < 400) await frame(); // noticed within 200 ms
            let samples = 0, apart = 0;
            for (; animation.playState === 'running'; samples += 1) {{
                await frame();
                if (!covered()) apart += 1;
            }}
            return [samples, apart];
        }}"""
    )
    assert apart[0] > 10
    assert apart[1] == 0
    page.wait_for_function(COVERED)


def test_embedded_stage_covers_a_video_that_comes_later_or_is_replaced(
    server: Any, new_page: NewPage, other_site: str, room: str
) -> None:
    script = f'<script type="module" src="{server.url}/static/js/embed.js"></script>'
    OtherSite.page = f"<!doctype html><main></main>{STAGE.format(room=room)}{script}"
    page = new_page()
    page.goto(other_site)
    page.wait_for_function("() => document.querySelector('danmaku-stage').stage")
    page.evaluate(f"document.querySelector('main').innerHTML = `{VIDEO}`")
    page.wait_for_function(COVERED)
    page.evaluate(
        f"document.querySelector('main').innerHTML = `<h1>Title</h1>{VIDEO}`.replace('400', '620')"
    )
    page.wait_for_function(COVERED)
    assert page.locator("danmaku-stage").bounding_box()["width"] == 620
