"""Retractions and the room's delay on the room page."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from playwright.sync_api import Page, WebSocketRoute, expect

from tests.browser.room_page import ON_STAGE, ROWS, TEXTS, enter, post, row
from tests.support.room_admin import change_settings
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]


def deliver_retractions(page: Page) -> None:
    """Turn each comment `retract 3` into a retraction of comment 3."""

    def connect(socket: WebSocketRoute) -> None:
        def pass_on(frame: str | bytes) -> None:
            message = json.loads(frame)
            for entry in message.get("entries", []):
                if entry.get("text", "").startswith("retract "):
                    target = int(entry["text"].split()[1])
                    seq = entry["seq"]
                    entry.clear()
                    entry.update(kind="retract", seq=seq, target=target)
            socket.send(json.dumps(message))

        socket.connect_to_server().on_message(pass_on)

    page.route_web_socket("**/ws/**", connect)


def test_menu_of_a_comment_closes_when_the_comment_is_retracted(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = new_page(), enter(new_page(), server, room)
    deliver_retractions(page)
    enter(page, server, room)
    post(other, "to be retracted")
    row(page, "to be retracted").click()
    menu = page.locator("[data-role=comment-card]")
    expect(menu).to_contain_text("to be retracted")
    post(other, "retract 1")
    expect(menu).to_be_hidden()
    expect(page.locator(ROWS)).to_have_count(0)
    expect(page.locator(ON_STAGE)).to_have_count(0)


def test_count_of_new_comments_follows_retractions(
    start_server: Callable[..., ServerProcess], room: str, new_page: NewPage
) -> None:
    server = start_server("--post-rate", "0")
    page, other = new_page(viewport={"width": 1280, "height": 500}), new_page()
    deliver_retractions(page)
    enter(other, server, room)
    enter(page, server, room)
    for number in range(30):
        post(other, f"line {number}")
        expect(row(other, f"line {number}")).to_have_count(1)
    expect(page.locator(ROWS)).to_have_count(30)
    page.locator("[data-role=transcript]").evaluate("(list) => { list.scrollTop = 0; }")
    newer = page.locator("[data-role=newer]")
    for number in (31, 32):
        post(other, f"new {number}")
    expect(newer).to_contain_text("2")
    post(other, "retract 31")
    expect(newer).to_contain_text("1")
    post(other, "retract 32")
    expect(newer).to_be_hidden()


def test_transcript_keeps_the_room_delay_like_the_stage(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    change_settings(server, room, delay=2)
    page, other = enter(new_page(), server, room), enter(new_page(), server, room)
    page.evaluate(
        """() => {
            window.times = {};
            const look = () => {
                for (const name of ['stage', 'transcript']) {
                    if (document.querySelector(`[data-role=${name}] [data-seq]`)) {
                        times[name] ??= performance.now();
                    }
                }
            };
            new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    began = time.monotonic()
    post(other, "a goal")
    expect(page.locator(TEXTS)).to_have_text(["a goal"])
    assert time.monotonic() - began > 1.9
    expect(page.locator(ON_STAGE)).to_have_count(1)
    times = page.evaluate("times")
    assert abs(times["stage"] - times["transcript"]) < 500


def test_comment_retracted_within_the_room_delay_is_never_shown(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    change_settings(server, room, delay=2)
    page, other = new_page(), enter(new_page(), server, room)
    deliver_retractions(page)
    enter(page, server, room)
    page.evaluate(
        """() => {
            window.seen = [];
            const look = () => {
                const found = document.querySelectorAll('[data-seq] .text, .comment-text');
                seen.push(...[...found].map((element) => element.textContent));
            };
            new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
        }"""
    )
    post(other, "not for anybody")
    post(other, "retract 2")  # the change of the delay is entry 1
    post(other, "for everybody")
    expect(page.locator(TEXTS)).to_have_text(["for everybody"])
    assert "not for anybody" not in page.evaluate("seen")


def test_comments_missed_by_a_hidden_tab_do_not_fly_when_they_are_old(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = new_page(), enter(new_page(), server, room)

    def connect(socket: WebSocketRoute) -> None:
        def pass_on(frame: str | bytes) -> None:
            message = json.loads(frame)
            for entry in message.get("entries", []):
                if entry.get("text", "").startswith("old "):
                    entry["at"] -= 75_000
            socket.send(json.dumps(message))

        socket.connect_to_server().on_message(pass_on)

    page.route_web_socket("**/ws/**", connect)
    enter(page, server, room)
    for number in range(3):
        post(other, f"old {number}")
    expect(page.locator(ROWS)).to_have_count(3)
    post(other, "just now")
    expect(page.locator(ON_STAGE)).to_have_text(["just now"])


def test_menus_stay_closed_in_a_browser_without_popovers(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    shown = page.evaluate(
        """() => {
            const rules = [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules]);
            const rule = rules.find((rule) => rule instanceof CSSSupportsRule
                && rule.conditionText.includes('not selector(:popover-open)'));
            return rule && [rule.cssRules[0].selectorText, rule.cssRules[0].style.display];
        }"""
    )
    assert shown == ["[popover]", "none"]


def test_fields_are_16_px_on_a_touch_screen(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page(has_touch=True, is_mobile=True, viewport={"width": 740, "height": 360})
    for path in (f"/r/{room}", "/", f"/r/{room}/overlay/compose"):
        page.goto(f"{server.url}{path}")
        sizes = page.evaluate(
            """() => [...document.querySelectorAll('input, textarea, select')]
                .filter(({ type }) => !['range', 'radio', 'checkbox', 'color'].includes(type))
                .map((field) => parseFloat(getComputedStyle(field).fontSize))"""
        )
        assert sizes
        assert min(sizes) >= 16, path


def test_low_landscape_screen_shows_picture_transcript_and_composer_side_by_side(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    for width in (740, 640):
        page = new_page(has_touch=True, is_mobile=True, viewport={"width": width, "height": 360})
        enter(page, server, room)
        screen, transcript, composer = (
            page.locator(f"[data-role={role}]").evaluate(
                "(e) => e.getBoundingClientRect().toJSON()"
            )
            for role in ("screen", "transcript", "composer")
        )
        assert screen["height"] >= 240
        assert transcript["x"] >= screen["x"] + screen["width"] - 1
        assert composer["y"] + composer["height"] <= 360
