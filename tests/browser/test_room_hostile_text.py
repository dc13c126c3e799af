"""What viewers write is text, whatever it looks like: no element, no dialog, no broken page."""

from __future__ import annotations

import json
from collections.abc import Callable

from playwright.sync_api import Page, expect
from websocket import create_connection

from tests.serving import ServerProcess

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


def test_hostile_texts_and_names_are_shown_as_text(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    dialogs: list[str] = []
    problems: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{server.url}/r/{room}")
    expect(page.locator('[data-role=status][data-state="live"]')).to_be_visible()
    before = page.evaluate(COUNT_STRANGERS)
    for text in HOSTILE:  # a connection each: none of them is too fast
        socket = create_connection(f"{server.url.replace('http', 'ws')}/ws/{room}")
        socket.recv()
        socket.send_text(_post(text))
        socket.recv()
        socket.close()
    texts = page.locator("[data-role=transcript] [data-seq] .text")
    expect(texts).to_have_text(HOSTILE, use_inner_text=False)
    page.reload()
    expect(texts).to_have_text(HOSTILE, use_inner_text=False)
    page.goto(f"{server.url}/")
    expect(page.locator(".passing span")).to_have_count(5)
    page.goto(f"{server.url}/r/{room}")
    expect(texts).to_have_count(len(HOSTILE))
    assert page.evaluate(COUNT_STRANGERS) == before
    assert dialogs == []
    assert problems == []


def test_hostile_name_is_shown_as_text(server: ServerProcess, room: str, new_page: NewPage) -> None:
    page = new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(f"{server.url}/r/{room}")
    name = "<img onerror=alert(1)>"
    page.locator("[data-role=look-button]").click()
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Your name").press("Enter")
    field = page.locator("[data-role=composer] [data-role=text]")
    field.fill("who am I")
    field.press("Enter")
    expect(page.locator("[data-role=transcript] [data-seq] .name")).to_have_text(name)
    assert dialogs == []


def test_room_page_runs_under_a_strict_policy_without_a_violation(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    errors: list[str] = []
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    for path in (f"/r/{room}", "/"):
        answer = page.goto(server.url + path)
        assert answer is not None
        policy = answer.headers["content-security-policy"]
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe-inline" not in policy
        page.locator("[data-role=settings-button]").click()
        expect(page.locator("#settings-card")).to_be_visible()
    assert errors == []


# Elements of kinds that the pages themselves never hold inside what viewers write.
COUNT_STRANGERS = """
    document.querySelectorAll(
        'iframe, base, math, details, template, script, link, style, svg:not(.icon), form'
    ).length
"""


def _post(text: str) -> str:
    return json.dumps({"type": "post", "text": text})
