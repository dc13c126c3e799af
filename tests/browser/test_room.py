"""The room page, as viewers use it: several tabs of one room, in real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.room_page import FIELD, HINT, ON_STAGE, ROWS, enter, post, row
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]

HINT_SHOWN = f"{HINT}:not([hidden])"


def test_comment_of_one_tab_is_on_the_stage_of_another_within_a_second(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    author, watcher = enter(new_page(), server, room), enter(new_page(), server, room)
    note = "document.documentElement.dataset.time ??= performance.timeOrigin + performance.now()"
    look = f"if (document.querySelector('{ON_STAGE}')) {note}"
    author.evaluate(f"addEventListener('keydown', () => {{ {note} }})")
    watcher.evaluate(
        f"""new MutationObserver(() => {{ {look} }})
            .observe(document.body, {{childList: true, subtree: true}})"""
    )
    author.locator(FIELD).fill("hello from here")
    author.locator(FIELD).press("Enter")
    expect(watcher.locator(ON_STAGE).filter(has_text="hello from here")).to_be_attached()
    posted, seen = (
        float(page.evaluate("document.documentElement.dataset.time")) for page in (author, watcher)
    )
    assert 0 < seen - posted < 1000
    for page in (author, watcher):
        expect(row(page, "hello from here")).to_have_count(1)
    expect(author.locator(FIELD)).to_have_value("")


def test_viewer_count_follows_joins_and_leaves(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    first, second = enter(new_page(), server, room), enter(new_page(), server, room)
    expect(first.locator("[data-role=viewer-count]")).to_have_text("2")
    second.close()
    expect(first.locator("[data-role=viewer-count]")).to_have_text("1")


def test_reload_shows_the_history(server: ServerProcess, room: str, new_page: NewPage) -> None:
    page = enter(new_page(), server, room)
    for text in ("one", "two", "three"):
        post(page, text)
        expect(row(page, text)).to_have_count(1)
    page.reload()
    expect(page.locator(f"{ROWS} .text")).to_have_text(["one", "two", "three"])


def test_empty_room_shows_a_message_until_the_first_comment(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    empty = page.locator("[data-role=transcript-empty]")
    expect(empty).to_be_visible()
    post(page, "hello")
    expect(empty).to_be_hidden()


def test_rejected_comment_stays_in_the_field_with_its_message(
    start_server: Callable[..., ServerProcess], room: str, new_page: NewPage
) -> None:
    server = start_server()
    page = enter(new_page(), server, room)
    for number in range(12):
        post(page, f"quick {number}")
        expect(row(page, f"quick {number}").or_(page.locator(HINT_SHOWN))).to_be_visible()
        if page.locator(HINT).is_visible():
            break
    hint = page.locator(HINT)
    expect(hint).to_contain_text("too fast")
    expect(page.locator(FIELD)).to_have_attribute("aria-invalid", "true")
    kept = page.locator(FIELD).input_value()
    assert kept.startswith("quick ")
    for _ in range(3):  # it counts down while it has to wait, and goes out with the next Enter
        page.locator(FIELD).press("Enter")
        expect(row(page, kept).or_(page.locator(HINT_SHOWN))).to_be_visible()
        if row(page, kept).count() == 1:
            break
        expect(page.locator(HINT_SHOWN)).to_be_hidden(timeout=10_000)
    expect(row(page, kept)).to_have_count(1)


def test_too_long_text_is_counted_in_graphemes_and_not_sent(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    family = "👨‍👩‍👧‍👦"  # one grapheme of eleven UTF-16 units
    page.locator(FIELD).fill(family * 3)
    expect(page.locator("[data-role=count]")).to_have_text("3/100")
    post(page, "x" * 101)
    expect(page.locator(HINT)).to_contain_text("too long")
    expect(page.locator(FIELD)).to_have_value("x" * 101)
    post(page, "x" * 100)
    expect(row(page, "x" * 100)).to_have_count(1)


def test_enter_that_confirms_an_input_method_does_not_send(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    page.locator(FIELD).focus()
    session = page.context.new_cdp_session(page)
    session.send(
        "Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5}
    )
    session.send(
        "Input.dispatchKeyEvent",
        {"type": "rawKeyDown", "windowsVirtualKeyCode": 229, "key": "Process", "code": "Enter"},
    )
    session.send("Input.insertText", {"text": "你好"})
    expect(page.locator(FIELD)).to_have_value("你好")
    expect(page.locator(ROWS)).to_have_count(0)
    page.locator(FIELD).press("Enter")
    expect(row(page, "你好")).to_have_count(1)


def test_arrow_keys_recall_sent_comments_and_the_draft(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    for text in ("first", "second"):
        post(page, text)
        expect(row(page, text)).to_have_count(1)
    field = page.locator(FIELD)
    field.fill("draft")
    for key, value in (("ArrowUp", "second"), ("ArrowUp", "first"), ("ArrowUp", "first")):
        field.press(key)
        expect(field).to_have_value(value)
    for value in ("second", "draft"):
        field.press("ArrowDown")
        expect(field).to_have_value(value)


def test_colour_mode_and_size_reach_the_other_viewers(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    author, watcher = enter(new_page(), server, room), enter(new_page(), server, room)
    author.locator("[data-role=look-button]").click()
    author.get_by_role("radio", name="Top").check()
    author.get_by_role("radio", name="Large").check()
    author.get_by_role("radio", name="Yellow").check()
    author.keyboard.press("Escape")
    expect(author.locator("[data-role=look-card]")).to_be_hidden()
    post(author, "look at me")
    expect(watcher.locator(ON_STAGE).filter(has_text="look at me")).to_be_attached()
    answer = watcher.request.get(f"{server.url}/api/rooms/{room}/entries").json()
    comment = answer["entries"][-1]
    assert (comment["mode"], comment["size"], comment["color"]) == ("top", "large", "#ffd84d")


def test_chosen_name_is_shown_and_stored_for_the_next_visit(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    page.locator("[data-role=look-button]").click()
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Your name").press("Enter")
    expect(page.locator(FIELD)).to_have_attribute("placeholder", "Say something as Ada…")
    post(page, "it is me")
    expect(page.locator(f"{ROWS} .name")).to_have_text("Ada")
    page.reload()
    expect(page.locator(FIELD)).to_have_attribute("placeholder", "Say something as Ada…")


def test_room_works_by_keyboard_alone(server: ServerProcess, room: str, new_page: NewPage) -> None:
    page = enter(new_page(), server, room)
    expect(page.locator(FIELD)).to_be_focused()
    page.keyboard.type("typed")
    page.keyboard.press("Enter")
    expect(row(page, "typed")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    expect(page.locator("[data-role=stage-switch]")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("t")
    expect(page.locator("[data-role=transcript]")).to_be_hidden()
    page.keyboard.press("t")
    page.keyboard.press("?")
    expect(page.locator("[data-role=keys-card]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("[data-role=keys-card]")).to_be_hidden()
    page.keyboard.press("c")
    expect(page.locator(FIELD)).to_be_focused()


@pytest.mark.parametrize(("width", "height"), [(390, 844), (820, 1180), (1280, 800), (1920, 1080)])
def test_room_page_fits_the_window_without_scrolling(
    server: ServerProcess, room: str, new_page: NewPage, width: int, height: int
) -> None:
    page = enter(new_page(viewport={"width": width, "height": height}), server, room)
    post(page, "w" * 100)
    expect(row(page, "w" * 100)).to_have_count(1)
    assert page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]"
    ) == [width, height]
    for role in ("stage", "transcript", "composer"):
        box = page.locator(f"[data-role={role}]").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height


def test_text_keeps_its_distance_from_long_and_right_to_left_names(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page(viewport={"width": 1280, "height": 800})
    enter(page, server, room)
    for name in ("Mika", "ليلى", "W" * 24):
        page.locator("[data-role=look-button]").click()
        page.get_by_label("Your name").fill(name)
        page.get_by_label("Your name").press("Enter")
        page.keyboard.press("Escape")
        expect(page.locator(FIELD)).to_have_attribute("placeholder", re.compile(name))
        post(page, f"hello, said {name}")
        expect(row(page, f"hello, said {name}")).to_have_count(1)
    places = page.evaluate(
        """[...document.querySelectorAll('[data-role=transcript] [data-seq]')].map((row) => {
            const [name, text] = ['.name', '.text'].map((part) => row.querySelector(part));
            const word = new Range();
            word.setStart(text.firstChild, 0);
            word.setEnd(text.firstChild, 'hello,'.length);
            const lines = word.getClientRects().length;
            const [before] = [...name.getClientRects()].reverse();
            return {gap: word.getBoundingClientRect().left - before.right, lines};
        })"""
    )
    assert [lines for _, lines in map(dict.values, places)] == [1, 1, 1]
    gaps = [place["gap"] for place in places]
    assert 6 < gaps[0] < 10
    assert abs(gaps[1] - gaps[0]) < 1
