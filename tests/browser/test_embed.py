"""`<danmaku-stage>`: the stage over a video of another site."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.overlay_page import OtherSite, post, post_until_shown
from tests.browser.room_page import ON_STAGE
from tests.support.room_admin import change_settings
from tests.support.server_process import ROOT

NewPage = Callable[..., Page]
StartServer = Callable[..., Any]


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


SCRIPT = '<script type="module" src="{url}/static/js/embed.js"></script>'
FILL = """async (element, framesAfterTheFirst) => {
    const { stage } = element;
    stage.clear();
    const modes = [...Array(60).fill('scroll'), 'top', 'bottom'];
    for (const [index, mode] of modes.entries()) {
        const seq = (window.seq = (window.seq ?? 0) + 1);
        const text = `${mode} ${index % 30}`;
        stage.add({ seq, user: 'u1', name: 'Mika', text, mode, at: Date.now() });
    }
    const find = () => [...element.shadowRoot.querySelectorAll('[data-role=comment]')];
    for (let frames = 0; frames < 60; frames += 1) {
        await new Promise(requestAnimationFrame);
        if (find().length) frames = Math.max(frames, 60 - framesAfterTheFirst);
    }
    const { top, height } = element.getBoundingClientRect();
    const shown = find();
    const boxes = shown.map((comment) => comment.getBoundingClientRect());
    const texts = shown.map((comment) => comment.textContent);
    const plane = element.shadowRoot.querySelector('.stage-plane');
    const runs = element.shadowRoot.getAnimations().map(({ effect }) => effect.getTiming());
    return {
        count: shown.length,
        fixed: texts.filter((text) => !text.includes('scroll')).length,
        scrolling: texts.filter((text) => text.includes('scroll')).length,
        merged: shown.some((comment) => comment.querySelector('.comment-count')),
        named: texts.some((text) => text.includes('Mika')),
        line: Math.max(0, ...boxes.map((box) => box.height)),
        lowest: Math.max(0, ...boxes.map((box, index) =>
            texts[index].includes('bottom') ? 0 : (box.bottom - top) / height)),
        font: shown[0] ? getComputedStyle(shown[0]).fontFamily : '',
        opacity: getComputedStyle(plane).opacity,
        still: plane.classList.contains('stage-still'),
        crossing: Math.max(0, ...runs.map(({ duration }) => duration)),
    };
}"""
Seen = dict[str, Any]
ATTRIBUTES: dict[str, tuple[str, Callable[[Seen, Seen], bool]]] = {
    "font": ("Noto Serif", lambda seen, _: "Noto Serif" in seen["font"]),
    "size": ("2", lambda seen, usual: seen["line"] == pytest.approx(2 * usual["line"], rel=0.05)),
    "speed": (
        "2",
        lambda seen, usual: seen["crossing"] == pytest.approx(usual["crossing"] / 2, rel=0.05),
    ),
    "area": ("0.5", lambda seen, usual: seen["lowest"] < 0.6 < usual["lowest"]),
    "opacity": ("0.5", lambda seen, _: seen["opacity"] == "0.5"),
    "density": ("0", lambda seen, usual: 0 < seen["scrolling"] < usual["scrolling"]),
    "modes": ("top,bottom", lambda seen, _: seen["fixed"] > 0 == seen["scrolling"]),
    "merge": ("off", lambda seen, usual: usual["merged"] and not seen["merged"]),
    "names": ("on", lambda seen, _: seen["named"]),
    "delay": ("600", lambda seen, _: seen["count"] == 0),
    "most": ("3", lambda seen, _: seen["count"] == 3),
    "motion": ("still", lambda seen, _: seen["still"]),
}


@pytest.fixture
def embedded(server: Any, new_page: NewPage, other_site: str, room: str) -> Page:
    """A page with an embedded stage that fills a box of its own."""
    box = "position: absolute; left: 0; top: 0; width: 960px; height: 540px"
    stage = f'<danmaku-stage room="{room}" style="{box}"></danmaku-stage>'
    OtherSite.page = f"<!doctype html>{stage}{SCRIPT.format(url=server.url)}"
    page = new_page()
    page.goto(other_site)
    page.wait_for_function("() => document.querySelector('danmaku-stage').stage")
    return page


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attribute_of_an_embedded_stage_changes_its_look(embedded: Page, name: str) -> None:
    value, is_applied = ATTRIBUTES[name]
    stage = embedded.locator("danmaku-stage")
    frames = 5
    if name == "density":  # it changes how soon the next comment of a lane may follow
        stage.evaluate("(element) => element.setAttribute('speed', '4')")
        frames = 60
    usual = stage.evaluate(FILL, frames)
    assert not is_applied(usual, usual)
    stage.evaluate("(element, [name, value]) => element.setAttribute(name, value)", [name, value])
    assert is_applied(stage.evaluate(FILL, frames), usual)
    stage.evaluate("(element, name) => element.removeAttribute(name)", name)
    assert not is_applied(stage.evaluate(FILL, frames), usual)


def test_every_attribute_of_an_embedded_stage_is_documented_and_tested(embedded: Page) -> None:
    observed = set(embedded.evaluate("customElements.get('danmaku-stage').observedAttributes"))
    assert observed == {"room", "src", "for", *ATTRIBUTES}
    page = (ROOT / "docs" / "overlay.md").read_text()
    assert [name for name in observed if f"`{name}`" not in page] == []


def test_room_and_server_of_an_embedded_stage_can_be_changed(
    start_server: StartServer, new_page: NewPage, other_site: str, room: str
) -> None:
    flags = ("--allowed-origins", other_site, "--post-rate", "0")
    one, two = start_server(*flags), start_server(*flags, "--base-path", "/danmaku")
    OtherSite.embed(one, room)
    page = new_page()
    page.goto(other_site)
    stage = page.locator("danmaku-stage")
    post_until_shown(page, one.url, room, "first room")
    stage.evaluate("(element) => element.setAttribute('room', 'another-room')")
    expect(page.locator(ON_STAGE)).to_have_count(0)
    post_until_shown(page, one.url, "another-room", "second room")
    stage.evaluate(f"(element) => element.setAttribute('src', '{two.url}/danmaku')")
    expect(page.locator(ON_STAGE)).to_have_count(0)
    post_until_shown(page, f"{two.url}/danmaku", "another-room", "second server")


def test_click_on_a_comment_of_an_embedded_stage_fires_its_event(embedded: Page) -> None:
    stage = embedded.locator("danmaku-stage")
    stage.evaluate(
        """(element) => {
            element.addEventListener('comment-click', ({ detail }) => {
                window.clicked = [detail.seq, detail.entry.text, detail.element.dataset.seq];
            });
            element.stage.add({ seq: 7, name: 'M', text: 'click', mode: 'top', at: Date.now() });
        }"""
    )
    embedded.locator(ON_STAGE, has_text="click").click()
    assert embedded.evaluate("window.clicked") == [7, "click", "7"]


def test_embedded_stage_logs_that_the_server_refused_its_page(
    server: Any, new_page: NewPage, other_site: str, room: str
) -> None:
    OtherSite.embed(server, room)
    page = new_page()
    with page.expect_console_message(lambda line: "refused this page" in line.text) as line:
        page.goto(other_site)
    assert "operator can allow the origin" in line.value.text


def test_overlay_in_a_frame_of_a_file_is_shown(
    server: Any, new_page: NewPage, tmp_path: Path, room: str
) -> None:
    file = tmp_path / "page.html"
    file.write_text(f'<!doctype html><iframe src="{server.url}/r/{room}/overlay"></iframe>')
    page = new_page()
    page.goto(file.as_uri())
    overlay = page.frame_locator("iframe")
    for number in range(20):
        post(server.url, room, f"in a file {number}")
        try:
            overlay.locator(ON_STAGE).first.wait_for(state="attached", timeout=1000)
        except Exception:
            continue
        return
    pytest.fail("no comment was shown")
