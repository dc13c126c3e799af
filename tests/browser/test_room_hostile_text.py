"""What viewers write is shown as text: it creates no element, no dialog and no script error."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Page, expect
from websocket import create_connection

from tests.browser.room_page import ON_STAGE, enter
from tests.support.room_admin import change_settings
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    '"><svg onload=alert(1)>',
    "'><iframe src=javascript:alert(1)></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "<style>*{display:none}</style>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<math><mtext><img src onerror=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw x %}",
    "${alert(1)}`${alert(1)}`",
    "&lt;b&gt;&#60;b&#62;",
    "]]><!-- --><b>bold</b>",
    "__proto__ constructor toString",
    "<template shadowrootmode=open><b>x</b></template>",
    "<link rel=stylesheet href=//example.org/x.css>",
    "<base href=//example.org/>",
    "<form action=//example.org><button>x</button></form>",
    "العربية עברית mixed with latin",
]


# A name has 24 characters at most.
HOSTILE_NAMES = [text for text in HOSTILE if len(text) <= 24] + [
    "<img onerror=alert(1)>",
    "<script>alert()</script>",
    "</bdi></p><b>bold</b>",
    "<iframe srcdoc=x>",
    "<base href=//e.org/>",
    "<style>*{}</style>",
    "<details ontoggle=x>",
    "<math><mtext><b>x",
    "<link rel=stylesheet>",
    "<form><button>x",
    "${alert(1)}",
    "__proto__",
    "constructor",
    "{{ 7 * 7 }}",
    'Mika\'s "friend"',
]

# Elements that the pages themselves never contain.
COUNT_FOREIGN = """
    document.querySelectorAll(
        'iframe, base, math, details, template, script, link, style, svg:not(.icon), form, bdi > *'
    ).length
"""


@dataclass
class InjectionDetector:
    """Records what injected markup would cause: dialogs and errors; counts foreign elements."""

    page: Page
    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("dialog", self._on_dialog)
        self.page.on("console", self._on_console)

    def _on_dialog(self, dialog) -> None:
        self.found.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_console(self, line) -> None:
        if line.type == "error":  # a violation of the page's policy is one
            self.found.append(f"console: {line.text}")

    def count(self) -> int:
        """Return the number of elements that only injected markup can have created."""
        return self.page.evaluate(COUNT_FOREIGN)


def post_as_new_guest(server: ServerProcess, room: str, text: str, name: str = "Mika") -> None:
    """Post over a new connection, which has its own rate limit."""
    socket = create_connection(f"{server.ws_url}/ws/{room}?name={quote(name)}")
    socket.send_text(json.dumps({"type": "post", "text": text}))
    while (kind := json.loads(socket.recv())["type"]) != "ack":
        assert kind in ("welcome", "batch", "viewers")
    socket.close()


def test_hostile_texts_are_shown_as_text(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    detector = InjectionDetector(page)
    enter(page, server, room)
    before = detector.count()
    for text in HOSTILE:
        post_as_new_guest(server, room, text)
    texts = page.locator("[data-role=transcript] [data-seq] .text")
    expect(texts).to_have_text(HOSTILE, use_inner_text=False)
    page.reload()
    expect(texts).to_have_text(HOSTILE, use_inner_text=False)
    page.goto(f"{server.url}/")
    expect(page.locator(f"[data-room={room}] .card-comments span")).to_have_count(5)
    enter(page, server, room)
    expect(texts).to_have_count(len(HOSTILE))
    assert detector.count() == before
    assert detector.found == []


def test_hostile_names_are_shown_as_text_in_the_transcript_the_menu_and_the_settings(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    detector = InjectionDetector(page)
    enter(page, server, room)
    before = detector.count()
    for name in HOSTILE_NAMES:
        post_as_new_guest(server, room, "hello", name)
    names = page.locator("[data-role=transcript] [data-seq] .name")
    expect(names).to_have_text(HOSTILE_NAMES, use_inner_text=False)
    hidden = page.locator("[data-role=hidden-users] li")
    for number, name in enumerate(HOSTILE_NAMES[:5]):
        page.locator("[data-role=transcript] [data-seq]").nth(number).click()
        page.locator("[data-role=comment-card] button", has_text=name).click()
        expect(hidden).to_have_count(number + 1)
    expect(hidden).to_contain_text(HOSTILE_NAMES[:5])
    page.reload()
    expect(hidden).to_contain_text(HOSTILE_NAMES[:5])
    assert detector.count() == before
    assert detector.found == []


def test_own_hostile_name_is_shown_as_text(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    detector = InjectionDetector(page)
    enter(page, server, room)
    name = "<img onerror=alert(1)>"
    page.locator("[data-role=look-button]").click()
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Your name").press("Enter")
    text = page.locator("[data-role=composer] [data-role=text]")
    text.fill("who am I")
    text.press("Enter")
    expect(page.locator("[data-role=transcript] [data-seq] .name")).to_have_text(name)
    assert detector.found == []


def test_hostile_titles_are_shown_as_text(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, lobby = new_page(), new_page()
    detectors = [InjectionDetector(page), InjectionDetector(lobby)]
    enter(page, server, room)
    lobby.goto(server.url)
    expect(lobby.locator(f"[data-room={room}] h3")).to_have_text(room)
    before = [detector.count() for detector in detectors]
    for title in HOSTILE:
        change_settings(server, room, title=title)
        expect(page.locator("[data-role=room-title]")).to_have_text(title)
    expect(lobby.locator(f"[data-room={room}] h3")).to_have_text(title)
    assert [detector.count() for detector in detectors] == before
    assert [detector.found for detector in detectors] == [[], []]


def test_hostile_hidden_words_are_kept_as_text(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    detector = InjectionDetector(page)
    enter(page, server, room)
    before = detector.count()
    page.locator("[data-role=settings-button]").click()
    word = page.locator("[data-role=settings-card]").get_by_placeholder("Word to hide")
    for text in HOSTILE:
        word.fill(text)
        word.press("Enter")
    chips = page.locator("[data-role=hidden-words] button")
    expect(chips).to_have_text(HOSTILE, use_inner_text=False)
    page.reload()
    expect(chips).to_have_text(HOSTILE, use_inner_text=False)
    assert detector.count() == before
    assert detector.found == []


def test_hostile_query_parameters_add_no_elements_to_an_overlay(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    detector = InjectionDetector(page)
    page.goto(f"{server.url}/r/{room}/overlay")
    before = detector.count()
    for text in HOSTILE:
        words = dict.fromkeys(("font", "size", "modes", "motion", "delay", "most", "merge"), text)
        page.goto(f"{server.url}/r/{room}/overlay?{urlencode({**words, 'names': 'on'})}")
        assert detector.count() == before
    # A comment with an unknown mode does not appear on the stage; other unknown values are ignored.
    query = urlencode({**words, "names": "on", "modes": "scroll", "font": "x;} * {display:none"})
    page.goto(f"{server.url}/r/{room}/overlay?{query}")
    post_until_shown(page, server, room, "<img onerror=alert(1)>")
    expect(page.locator(".comment-name").first).to_have_text("<img onerror=alert(1)>")
    assert detector.count() == before
    assert detector.found == []


def post_until_shown(page: Page, server: ServerProcess, room: str, name: str = "Mika") -> None:
    """Post until a comment is shown: an overlay does not show whether it is connected."""
    for _ in range(20):
        post_as_new_guest(server, room, "hello", name)
        try:
            expect(page.locator(ON_STAGE).first).to_contain_text("hello", timeout=1000)
        except AssertionError:
            continue
        return
    pytest.fail("no comment was shown")


def test_hostile_font_in_the_overlay_composer_is_sanitized(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    detector = InjectionDetector(page)
    compose = f"{server.url}/r/{room}/overlay/compose"
    page.goto(compose)
    before = detector.count()
    for text in HOSTILE:
        page.goto(f"{compose}?{urlencode({'font': text})}")
        expect(page.locator("[data-role=address]")).to_have_value(re.compile("^http"))
        assert set("<>(){};:=").isdisjoint(page.locator("[name=font]").input_value())
    assert detector.count() == before
    assert detector.found == []


# OBS adds the streamer's own CSS to an overlay.
STYLED_FROM_OUTSIDE = {"/r/{room}/overlay"}


@pytest.mark.parametrize(
    "path", ["/", "/r/{room}", "/r/{room}/overlay", "/r/{room}/overlay/compose"]
)
def test_page_runs_under_a_strict_policy_without_a_violation(
    server: ServerProcess, room: str, new_page: NewPage, path: str
) -> None:
    page = new_page()
    detector = InjectionDetector(page)
    answer = page.goto(server.url + path.format(room=room))
    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy
    assert ("unsafe-inline" in policy) == (path in STYLED_FROM_OUTSIDE)
    assert "require-trusted-types-for 'script'" in policy
    assert ("trusted-types 'none'" in policy) == (path not in STYLED_FROM_OUTSIDE)
    settings = page.locator("[data-role=settings-button]")
    if settings.count():
        settings.click()
        expect(page.locator("#settings-card")).to_be_visible()
    if path.endswith("overlay"):
        post_until_shown(page, server, room)
    if path.endswith("compose"):
        expect(page.locator(ON_STAGE).first).to_be_attached()
    assert detector.found == []


def test_overlay_allows_css_by_inner_html_and_rejects_markup(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    page.goto(f"{server.url}/r/{room}/overlay")
    put = """(text) => {
        const style = document.createElement('style');
        try { style.innerHTML = text; } catch (error) { return error.name; }
        return style.textContent;
    }"""
    for text in ("body > p { margin: 0 }", "@media (width < 600px) { p { margin: 0 } }", "a <b"):
        assert page.evaluate(put, text) == ("TypeError" if text == "a <b" else text)
    for text in HOSTILE:
        allowed = "TypeError" if re.search("<[a-z!/?]", text, re.IGNORECASE) else text
        assert page.evaluate(put, text) == allowed
