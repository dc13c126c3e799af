"""Text input: input methods, keyboard layouts, on-screen keyboards."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import CDPSession, Page, expect

from tests.browser.room_page import FIELD, TEXTS, enter, post
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]

SEND = "[data-role=send]"


class InputMethod:
    """An input method, as the browser sees one: it composes in the focused field."""

    def __init__(self, page: Page) -> None:
        self._browser: CDPSession = page.context.new_cdp_session(page)

    def compose(self, text: str) -> None:
        end = len(text)
        self._browser.send(
            "Input.imeSetComposition", {"text": text, "selectionStart": end, "selectionEnd": end}
        )

    def commit(self, text: str) -> None:
        self._browser.send("Input.insertText", {"text": text})

    def press_enter(self) -> None:
        """Press the Enter that the input method itself handles."""
        for kind in ("rawKeyDown", "keyUp"):
            key = {"key": "Process", "code": "Enter", "windowsVirtualKeyCode": 229}
            self._browser.send("Input.dispatchKeyEvent", {"type": kind, **key})


def test_form_submitted_during_a_composition_posts_everything_once_and_empties_the_field(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    page.locator(FIELD).fill("안녕")
    keys = InputMethod(page)
    keys.compose("하")
    page.evaluate("document.querySelector('[data-role=composer]').requestSubmit()")
    keys.commit("하")  # as some input methods do, though the page has ended the composition
    expect(page.locator(TEXTS)).to_have_text(["안녕하"])
    expect(page.locator(FIELD)).to_have_value("")
    expect(page.locator(FIELD)).to_be_focused()
    keys.commit("하")  # the viewer may write the same again
    expect(page.locator(FIELD)).to_have_value("하")


def test_send_button_tapped_during_a_composition_posts_once_and_empties_the_field(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(has_touch=True, viewport={"width": 390, "height": 844}), server, room)
    page.locator(FIELD).tap()
    InputMethod(page).compose("hello")  # most phones compose Latin words too
    page.locator(SEND).tap()
    expect(page.locator(TEXTS)).to_have_text(["hello"])
    expect(page.locator(FIELD)).to_have_value("")


def test_send_button_leaves_the_focus_in_the_field_so_that_a_phone_keeps_its_keyboard(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(has_touch=True, viewport={"width": 390, "height": 844}), server, room)
    page.locator(FIELD).tap()
    page.locator(FIELD).fill("by tap")
    page.evaluate(
        """selector => document.querySelector(selector).addEventListener(
            'blur', () => document.documentElement.dataset.left = 'true')""",
        FIELD,
    )
    page.locator(SEND).tap()
    expect(page.locator(TEXTS)).to_have_text(["by tap"])
    expect(page.locator(FIELD)).to_be_focused()
    assert page.evaluate("document.documentElement.dataset.left") is None


@pytest.mark.parametrize("second_enter", [False, True])
def test_enter_that_ends_a_hangul_composition_sends_once(
    server: ServerProcess, room: str, new_page: NewPage, second_enter: bool
) -> None:
    page = enter(new_page(), server, room)
    page.locator(FIELD).focus()
    keys = InputMethod(page)
    keys.compose("한")
    keys.press_enter()
    keys.commit("한")
    if second_enter:  # macOS sends the key again, Windows does not
        page.keyboard.press("Enter")
    expect(page.locator(TEXTS)).to_have_text(["한"])
    expect(page.locator(FIELD)).to_have_value("")
    post(page, "next")
    expect(page.locator(TEXTS)).to_have_text(["한", "next"])


def test_enter_that_follows_its_hangul_composition_sends_once(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    page.locator(FIELD).focus()
    keys = InputMethod(page)
    keys.compose("한")
    page.evaluate(
        """selector => {
            const field = document.querySelector(selector);
            const enter = {key: 'Enter', code: 'Enter', keyCode: 229, cancelable: true};
            field.addEventListener('compositionend', () =>
                setTimeout(() => field.dispatchEvent(new KeyboardEvent('keydown', enter))));
        }""",
        FIELD,
    )
    keys.commit("한")
    expect(page.locator(TEXTS)).to_have_text(["한"])
    expect(page.locator(FIELD)).to_have_value("")


@pytest.mark.parametrize("text", ["你好", "こんにちは", "nihao"])
def test_enter_that_confirms_another_composition_does_not_send(
    server: ServerProcess, room: str, new_page: NewPage, text: str
) -> None:
    page = enter(new_page(), server, room)
    page.locator(FIELD).focus()
    keys = InputMethod(page)
    keys.compose(text)
    keys.press_enter()
    keys.commit(text)
    expect(page.locator(FIELD)).to_have_value(text)
    page.keyboard.press("Enter")
    expect(page.locator(TEXTS)).to_have_text([text])
    expect(page.locator(FIELD)).to_have_value("")


def test_enter_of_a_hangul_composition_completes_the_name_and_the_hidden_word(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    keys = InputMethod(page)
    page.locator("[data-role=look-button]").click()
    page.get_by_label("Your name").focus()
    keys.compose("민")
    keys.press_enter()
    keys.commit("민")
    expect(page.locator("[data-role=look-card]")).to_be_hidden()
    expect(page.locator(FIELD)).to_have_attribute("placeholder", "Say something as 민…")
    page.locator("[data-role=settings-button]").click()
    word = page.get_by_label("Word to hide")
    word.focus()
    keys.compose("말")
    keys.press_enter()
    keys.commit("말")
    expect(page.locator("[data-role=hidden-words] button")).to_have_text(["말"])
    expect(word).to_have_value("")


def test_send_key_of_an_on_screen_keyboard_completes_the_name_and_the_hidden_word(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    keys = InputMethod(page)
    page.locator("[data-role=look-button]").click()
    page.get_by_label("Your name").focus()
    keys.compose("Mina")
    page.keyboard.press("Enter")  # the page gets this one during the composition
    expect(page.locator("[data-role=look-card]")).to_be_hidden()
    expect(page.locator(FIELD)).to_have_attribute("placeholder", "Say something as Mina…")
    page.locator("[data-role=settings-button]").click()
    page.get_by_label("Word to hide").focus()
    keys.compose("word")
    page.keyboard.press("Enter")
    expect(page.locator("[data-role=hidden-words] button")).to_have_text(["word"])
    expect(page.get_by_label("Word to hide")).to_have_value("")


def test_room_name_that_ends_in_a_composition_is_checked_with_one_enter(
    server: ServerProcess, new_page: NewPage
) -> None:
    page = new_page()
    page.goto(server.url)
    page.get_by_role("textbox").first.focus()
    keys = InputMethod(page)
    keys.compose("방")
    keys.press_enter()
    keys.commit("방")
    expect(page.locator("[data-role=room-name-hint]")).to_contain_text("A room name consists of")


@pytest.mark.parametrize("key", ["ь", "ㅡ", "μ", "צ", "ة", "Process"])
def test_shortcut_works_by_its_place_on_layouts_without_latin_letters(
    server: ServerProcess, room: str, new_page: NewPage, key: str
) -> None:
    page = enter(new_page(), server, room)
    page.keyboard.press("Escape")
    press(page, key, "KeyT")
    expect(page.locator("[data-role=room-main]")).to_have_class("room-main theatre")


def test_shortcut_works_by_its_letter_on_latin_layouts(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    page.keyboard.press("Escape")
    press(page, "t", "KeyK")  # Dvorak
    expect(page.locator("[data-role=room-main]")).to_have_class("room-main theatre")
    press(page, "y", "KeyT")
    press(page, "é", "KeyT")
    expect(page.locator("[data-role=room-main]")).to_have_class("room-main theatre")


def press(page: Page, key: str, code: str) -> None:
    """Press a key that another layout has at the place ``code``."""
    pressed = json.dumps({"key": key, "code": code, "bubbles": True, "cancelable": True})
    page.evaluate(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {pressed}))")
