"""What a viewer chooses on the room page: the stage's look, whom and what to hide, the list."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.serving import ServerProcess

NewPage = Callable[..., Page]

FIELD = "[data-role=composer] [data-role=text]"
ROWS = "[data-role=transcript] [data-seq]"
FLYING = "[data-role=stage] [data-role=comment]"
MENU = "[data-role=comment-card]"
SETTINGS = "[data-role=settings-card]"


def enter(page: Page, server: ServerProcess, room: str, name: str = "") -> Page:
    """Open a room, under a name of its own, and wait until it is live."""
    page.goto(f"{server.url}/r/{room}")
    expect(page.locator('[data-role=status][data-state="live"]')).to_be_visible()
    if name:
        page.locator("[data-role=look-button]").click()
        page.get_by_label("Your name").fill(name)
        page.get_by_label("Your name").press("Enter")
        expect(page.locator(FIELD)).to_have_attribute("placeholder", re.compile(name))
    return page


def say(page: Page, text: str) -> None:
    page.locator(FIELD).fill(text)
    page.locator(FIELD).press("Enter")


def row(page: Page, text: str) -> Locator:
    return page.locator(ROWS).filter(has=page.get_by_text(text, exact=True))


def test_menu_of_a_row_hides_its_user_and_the_settings_bring_the_user_back(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = enter(new_page(), server, room), enter(new_page(), server, room, "Bob")
    say(page, "mine stays")
    say(other, "not this one")
    row(page, "not this one").click()
    page.get_by_role("button", name="Hide all comments by").click()
    expect(page.locator(MENU)).to_be_hidden()
    expect(row(page, "not this one")).to_be_hidden()
    expect(row(page, "mine stays")).to_be_visible()
    say(other, "nor the next")
    expect(row(page, "nor the next")).to_be_attached()
    expect(row(page, "nor the next")).to_be_hidden()
    expect(page.locator(FLYING).filter(has_text="nor the next")).to_have_count(0)
    page.locator("[data-role=settings-button]").click()
    page.locator("[data-role=hidden-users] button").click()
    expect(row(page, "not this one")).to_be_visible()


def test_menu_of_a_flying_comment_hides_a_word_on_stage_and_in_the_transcript(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = enter(new_page(), server, room), enter(new_page(), server, room, "Bob")
    other.locator("[data-role=look-button]").click()
    other.get_by_role("radio", name="Top").check()
    other.keyboard.press("Escape")
    say(other, "the Butler did it")
    flying = page.locator(FLYING).filter(has_text="the Butler did it")
    flying.click()
    page.locator(MENU).get_by_role("button", name="Butler", exact=True).click()
    expect(flying).to_have_count(0)
    expect(row(page, "the Butler did it")).to_be_hidden()
    say(other, "it was the BUTLER")
    say(other, "it was not")
    expect(row(page, "it was not")).to_be_visible()
    expect(row(page, "it was the BUTLER")).to_be_hidden()
    page.reload()
    expect(row(page, "it was not")).to_be_visible()
    expect(row(page, "it was the BUTLER")).to_be_hidden()


def test_menu_copies_the_text(server: ServerProcess, room: str, new_page: NewPage) -> None:
    page = enter(new_page(permissions=["clipboard-read", "clipboard-write"]), server, room)
    say(page, "worth keeping")
    row(page, "worth keeping").click()
    page.get_by_role("button", name="Copy text").click()
    assert page.evaluate("navigator.clipboard.readText()") == "worth keeping"


def test_one_cannot_hide_oneself(server: ServerProcess, room: str, new_page: NewPage) -> None:
    page = enter(new_page(), server, room)
    say(page, "me")
    row(page, "me").click()
    expect(page.get_by_role("button", name="Copy text")).to_be_visible()
    expect(page.get_by_role("button", name="Hide all comments by")).to_have_count(0)


def test_settings_apply_at_once_are_kept_and_reset(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    page.locator("[data-role=settings-button]").click()
    size = page.get_by_role("slider", name="Size")
    size.fill("1.5")
    page.get_by_label("½").check()
    page.get_by_label("Merge identical comments").uncheck()
    page.reload()
    page.locator("[data-role=settings-button]").click()
    expect(size).to_have_value("1.5")
    expect(page.get_by_label("½")).to_be_checked()
    expect(page.get_by_label("Merge identical comments")).not_to_be_checked()
    page.get_by_role("button", name="Reset all settings").click()
    expect(size).to_have_value("1")
    expect(page.get_by_label("Full", exact=True)).to_be_checked()
    expect(page.get_by_label("Merge identical comments")).to_be_checked()


def test_settings_lead_a_streamer_to_the_overlay_of_the_room(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    page.locator("[data-role=settings-button]").click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Overlay").click()
    address = opened.value.locator("[data-role=address]")
    expect(address).to_have_value(f"{server.url}/r/{room}/overlay")


def test_larger_size_makes_comments_larger(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    say(page, "how tall am I")
    normal = page.locator(FLYING).bounding_box()
    page.locator("[data-role=settings-button]").click()
    page.get_by_role("slider", name="Size").fill("2")
    page.keyboard.press("Escape")
    say(page, "and now")
    larger = page.locator(FLYING).filter(has_text="and now").bounding_box()
    assert normal is not None
    assert larger is not None
    assert larger["height"] > 1.5 * normal["height"]


def test_settings_that_make_no_sense_fall_back_to_the_usual(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    page.evaluate(
        """localStorage.setItem('danmaku.preferences', JSON.stringify(
            {opacity: 'x', scale: 99, speed: null, hiddenWords: [1, 'ok'], hiddenUsers: 'no'}
        ))"""
    )
    enter(page, server, room)
    page.locator("[data-role=settings-button]").click()
    expect(page.get_by_role("slider", name="Opacity")).to_have_value("1")
    expect(page.get_by_role("slider", name="Size")).to_have_value("2")
    expect(page.locator("[data-role=hidden-words] button")).to_have_text(["ok"])


def test_card_closes_on_escape_and_on_a_click_outside(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    card, button = page.locator(SETTINGS), page.locator("[data-role=settings-button]")
    button.click()
    expect(card).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    page.locator("[data-role=stage]").click(position={"x": 40, "y": 300}, force=True)
    expect(card).to_be_hidden()


@pytest.mark.parametrize("width", [390, 1280])
def test_cards_stay_inside_the_window(
    server: ServerProcess, room: str, new_page: NewPage, width: int
) -> None:
    page = enter(new_page(viewport={"width": width, "height": 700}), server, room)
    say(page, "a row")
    row(page, "a row").click()
    for card in (MENU, SETTINGS, "[data-role=look-card]"):
        if card != MENU:
            page.locator(card.replace("-card", "-button")).click()
        box = page.locator(card).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= 700
        page.keyboard.press("Escape")


def test_reader_who_scrolled_up_stays_there_and_is_told_what_is_new(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = enter(new_page(), server, room), enter(new_page(), server, room)
    for number in range(60):
        say(other, f"line {number}")
    expect(page.locator(ROWS)).to_have_count(60)
    listing = page.locator("[data-role=transcript]")
    listing.focus()
    page.keyboard.press("Home")
    expect(row(page, "line 0")).to_be_in_viewport()
    for text in ("new one", "new two"):
        say(other, text)
    newer = page.locator("[data-role=newer]")
    expect(newer).to_have_text("2 new")
    expect(row(page, "line 0")).to_be_in_viewport()
    newer.click()
    expect(row(page, "new two")).to_be_in_viewport()
    expect(newer).to_be_hidden()
    say(other, "new three")
    expect(row(page, "new three")).to_be_in_viewport()


def test_rows_do_not_move_under_a_pointer(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = enter(new_page(), server, room), enter(new_page(), server, room)
    for number in range(60):
        say(other, f"line {number}")
    last = row(page, "line 59")
    expect(last).to_be_in_viewport()
    last.hover()
    before = last.bounding_box()
    say(other, "does not push")
    expect(page.locator("[data-role=newer]")).to_have_text("1 new")
    assert last.bounding_box() == before
    page.mouse.move(300, 300)
    expect(row(page, "does not push")).to_be_in_viewport()


def test_transcript_can_be_kept_from_being_read_out(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    listing = page.locator("[data-role=transcript]")
    expect(listing).to_have_attribute("aria-live", "polite")
    page.locator("[data-role=settings-button]").click()
    page.get_by_label("Read new comments aloud").uncheck()
    expect(listing).to_have_attribute("aria-live", "off")


def test_transcript_of_thousands_lays_out_little_and_lets_the_oldest_go(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    counts = page.evaluate(
        """async () => {
            const {RenderScheduler} = await import('/static/js/page/render-scheduler.js');
            const {Transcript} = await import('/static/js/room/transcript.js');
            const list = document.querySelector('[data-role=transcript]');
            const scheduler = new RenderScheduler();
            const find = role => document.querySelector(`[data-role=${role}]`);
            const transcript = new Transcript(
                {list, empty: find('transcript-empty'), newer: find('newer')}, scheduler);
            for (let seq = 1; seq <= 5000; seq += 1) {
                transcript.add({kind: 'comment', seq, user: 'u', name: 'N', text: `${seq}`, at: 1});
                if (seq % 250 === 0) scheduler.flush();
            }
            scheduler.flush();
            const rows = [...list.querySelectorAll('[data-seq]')];
            const skips = ({firstElementChild: row}) =>
                !row.checkVisibility({contentVisibilityAuto: true});
            const countSkipped = () => [...list.children].filter(skips).length;
            const chunks = list.childElementCount;
            for (let frame = 0; frame < 100 && countSkipped() < chunks - 3; frame += 1) {
                await new Promise(requestAnimationFrame);
            }
            const last = rows.at(-1).dataset.seq;
            return { rows: rows.length, last, skipped: countSkipped(), chunks };
        }"""
    )
    assert counts["last"] == "5000"
    assert 2900 <= counts["rows"] <= 3000
    assert counts["skipped"] >= counts["chunks"] - 3
