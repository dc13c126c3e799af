"""The viewer's preferences on the room page: the stage's settings, filters, the transcript."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.room_page import FIELD, ON_STAGE, ROWS, enter, post, row
from tests.support.server_process import ServerProcess

NewPage = Callable[..., Page]

MENU = "[data-role=comment-card]"
SETTINGS = "[data-role=settings-card]"


def enter_as(name: str, page: Page, server: ServerProcess, room: str) -> Page:
    """Open a room and choose a name in it."""
    enter(page, server, room)
    page.locator("[data-role=look-button]").click()
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Your name").press("Enter")
    expect(page.locator(FIELD)).to_have_attribute("placeholder", re.compile(name))
    return page


def test_chosen_name_reaches_the_other_tabs_and_the_focus_the_comment_field(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    other = enter(page.context.new_page(), server, room)
    enter_as("Bob", page, server, room)
    expect(page.locator(FIELD)).to_be_focused()
    expect(other.locator(FIELD)).to_have_attribute("placeholder", re.compile("Bob"))
    post(other, "hello")
    expect(row(page, "hello")).to_contain_text("Bob")


def test_menu_of_a_row_hides_its_user_and_the_settings_show_the_user_again(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = enter(new_page(), server, room), enter_as("Bob", new_page(), server, room)
    post(page, "mine stays")
    post(other, "not this one")
    row(page, "not this one").click()
    page.get_by_role("button", name="Hide all comments by").click()
    expect(page.locator(MENU)).to_be_hidden()
    expect(row(page, "not this one")).to_be_hidden()
    expect(row(page, "mine stays")).to_be_visible()
    post(other, "nor the next")
    expect(row(page, "nor the next")).to_be_attached()
    expect(row(page, "nor the next")).to_be_hidden()
    expect(page.locator(ON_STAGE).filter(has_text="nor the next")).to_have_count(0)
    page.locator("[data-role=settings-button]").click()
    page.locator("[data-role=hidden-users] button").click()
    expect(row(page, "not this one")).to_be_visible()


def test_menu_of_a_stage_comment_hides_a_word_on_stage_and_in_the_transcript(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = enter(new_page(), server, room), enter_as("Bob", new_page(), server, room)
    other.locator("[data-role=look-button]").click()
    other.get_by_role("radio", name="Top").check()
    other.keyboard.press("Escape")
    post(other, "the Butler did it")
    flying = page.locator(ON_STAGE).filter(has_text="the Butler did it")
    flying.click()
    page.locator(MENU).get_by_role("button", name="Butler", exact=True).click()
    expect(flying).to_have_count(0)
    expect(row(page, "the Butler did it")).to_be_hidden()
    post(other, "it was the BUTLER")
    post(other, "it was not")
    expect(row(page, "it was not")).to_be_visible()
    expect(row(page, "it was the BUTLER")).to_be_hidden()
    page.reload()
    expect(row(page, "it was not")).to_be_visible()
    expect(row(page, "it was the BUTLER")).to_be_hidden()


def test_menu_copies_the_text(server: ServerProcess, room: str, new_page: NewPage) -> None:
    page = enter(new_page(permissions=["clipboard-read", "clipboard-write"]), server, room)
    post(page, "worth keeping")
    row(page, "worth keeping").click()
    page.get_by_role("button", name="Copy text").click()
    assert page.evaluate("navigator.clipboard.readText()") == "worth keeping"


def test_menu_of_an_own_comment_does_not_offer_to_hide_its_user(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    post(page, "me")
    row(page, "me").click()
    expect(page.get_by_role("button", name="Copy text")).to_be_visible()
    expect(page.get_by_role("button", name="Hide all comments by")).to_have_count(0)


def test_settings_survive_a_reload_and_can_be_reset(
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


def test_settings_link_to_the_overlay_composer(
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
    post(page, "how tall am I")
    normal = page.locator(ON_STAGE).bounding_box()
    page.locator("[data-role=settings-button]").click()
    page.get_by_role("slider", name="Size").fill("2")
    page.keyboard.press("Escape")
    post(page, "and now")
    larger = page.locator(ON_STAGE).filter(has_text="and now").bounding_box()
    assert normal is not None
    assert larger is not None
    assert larger["height"] > 1.5 * normal["height"]


def test_invalid_stored_settings_are_replaced_by_defaults(
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


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"


@pytest.mark.parametrize(
    "stored",
    [
        {"name": "\u2800"},
        {"name": FAMILY * 9},
        {"name": "x" * 3000},
        {"name": "a" + "\u0301" * 9},
        {"mode": "diagonal", "size": "huge", "color": "red", "theme": "no"},
        {"mode": None, "size": ["large"], "color": {}, "hiddenUsers": [None], "hiddenWords": [[]]},
    ],
    ids=["blank name", "long name", "huge name", "stacked name", "unknown values", "other types"],
)
def test_stored_preference_that_the_server_refuses_costs_neither_the_connection_nor_a_post(
    server: ServerProcess, room: str, new_page: NewPage, stored: dict[str, object]
) -> None:
    page = enter(new_page(), server, room)
    page.evaluate(
        "stored => localStorage.setItem('danmaku.preferences', JSON.stringify(stored))", stored
    )
    enter(page, server, room)
    expect(page.locator("[data-role=status]")).to_have_attribute("title", "Connected")
    post(page, "still here")
    expect(row(page, "still here")).to_be_visible()
    expect(page.locator(FIELD)).to_have_value("")


def test_name_that_only_the_server_refuses_is_not_stored(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()

    def trust_every_name(route: Route) -> None:
        body = route.fetch().text().replace("!NO_INK.test", "!/never/.test")
        route.fulfill(body=body, content_type="text/javascript")

    page.route("**/graphemes.js*", trust_every_name)
    enter(page, server, room)
    page.locator("[data-role=look-button]").click()
    page.get_by_label("Your name").fill("\u2800")
    page.get_by_label("Your name").press("Enter")
    expect(page.locator("[data-role=composer-hint]")).to_contain_text("no visible characters")
    expect(page.get_by_label("Your name", exact=True)).to_have_value("")
    stored = "JSON.parse(localStorage.getItem('danmaku.preferences')).name"
    assert page.evaluate(stored) == ""
    page.evaluate("localStorage.setItem('danmaku.preferences', JSON.stringify({name: '\u2800'}))")
    enter(page, server, room)
    expect(page.locator("[data-role=status]")).to_have_attribute("title", "Connected")
    assert page.evaluate(stored) == ""


def test_blank_name_is_refused_at_its_field(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    page.locator("[data-role=look-button]").click()
    page.get_by_label("Your name").fill("\u2800")
    page.get_by_label("Your name").press("Enter")
    expect(page.locator("[data-role=look-card]")).to_contain_text("no visible characters")
    expect(page.get_by_label("Your name")).to_have_attribute("aria-invalid", "true")


def test_folding_tables_are_loaded_only_to_hide_a_word(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = new_page()
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    enter(page, server, room)
    assert not [url for url in loaded if "folding" in url]
    post(page, "a secret")
    page.locator("[data-role=settings-button]").click()
    page.get_by_label("Word to hide").fill("secret")
    page.get_by_label("Word to hide").press("Enter")
    expect(row(page, "a secret")).to_be_hidden()
    enter(page, server, room)
    expect(row(page, "a secret")).to_be_hidden()
    assert [url for url in loaded if "folding" in url]


def test_popover_closes_on_escape_and_on_a_click_outside(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    popover, button = page.locator(SETTINGS), page.locator("[data-role=settings-button]")
    button.click()
    expect(popover).to_be_visible()
    page.keyboard.press("Escape")
    expect(popover).to_be_hidden()
    expect(button).to_be_focused()
    button.click()
    page.locator("[data-role=stage]").click(position={"x": 40, "y": 300}, force=True)
    expect(popover).to_be_hidden()


@pytest.mark.parametrize("width", [390, 1280])
def test_popovers_stay_inside_the_window(
    server: ServerProcess, room: str, new_page: NewPage, width: int
) -> None:
    page = enter(new_page(viewport={"width": width, "height": 700}), server, room)
    post(page, "a row")
    row(page, "a row").click()
    for popover in (MENU, SETTINGS, "[data-role=look-card]"):
        if popover != MENU:
            page.locator(popover.replace("-card", "-button")).click()
        box = page.locator(popover).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= 700
        page.keyboard.press("Escape")


def test_scrolled_transcript_keeps_its_position_and_counts_new_comments(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = enter(new_page(), server, room), enter(new_page(), server, room)
    for number in range(60):
        post(other, f"line {number}")
    expect(page.locator(ROWS)).to_have_count(60)
    transcript = page.locator("[data-role=transcript]")
    transcript.focus()
    page.keyboard.press("Home")
    expect(row(page, "line 0")).to_be_in_viewport()
    for text in ("new one", "new two"):
        post(other, text)
    newer = page.locator("[data-role=newer]")
    expect(newer).to_have_text("2 new")
    expect(row(page, "line 0")).to_be_in_viewport()
    newer.click()
    expect(row(page, "new two")).to_be_in_viewport()
    expect(newer).to_be_hidden()
    post(other, "new three")
    expect(row(page, "new three")).to_be_in_viewport()


def test_rows_do_not_move_under_the_pointer(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = enter(new_page(), server, room), enter(new_page(), server, room)
    for number in range(60):
        post(other, f"line {number}")
    last = row(page, "line 59")
    expect(last).to_be_in_viewport()
    last.hover()
    before = last.bounding_box()
    post(other, "does not push")
    expect(page.locator("[data-role=newer]")).to_have_text("1 new")
    assert last.bounding_box() == before
    page.mouse.move(300, 300)
    expect(row(page, "does not push")).to_be_in_viewport()


def test_transcript_goes_on_when_the_pointer_has_rested_for_three_seconds(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = enter(new_page(), server, room), enter(new_page(), server, room)
    for number in range(30):
        post(other, f"line {number}")
    expect(row(page, "line 29")).to_be_in_viewport()
    row(page, "line 29").hover()
    post(other, "waits")
    expect(page.locator("[data-role=newer]")).to_have_text("1 new")
    expect(row(page, "waits")).to_be_in_viewport()
    expect(page.locator("[data-role=newer]")).to_be_hidden()
    post(other, "does not wait")  # rows move under the pointer now, which still rests
    post(other, "nor does this")
    expect(row(page, "nor does this")).to_be_in_viewport(timeout=2000)


def test_transcript_goes_on_under_the_pointer_that_clicked_the_count_of_new_comments(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page, other = enter(new_page(), server, room), enter(new_page(), server, room)
    for number in range(30):
        post(other, f"line {number}")
    expect(row(page, "line 29")).to_be_in_viewport()
    page.locator("[data-role=transcript]").focus()
    page.keyboard.press("Home")
    expect(row(page, "line 0")).to_be_in_viewport()
    post(other, "counted")
    page.locator("[data-role=newer]").click()
    expect(row(page, "counted")).to_be_in_viewport()
    for text in ("first after it", "second after it"):
        post(other, text)
        expect(row(page, text)).to_be_in_viewport(timeout=2000)
    expect(page.locator("[data-role=newer]")).to_be_hidden()


def test_announcing_new_comments_can_be_switched_off(
    server: ServerProcess, room: str, new_page: NewPage
) -> None:
    page = enter(new_page(), server, room)
    transcript = page.locator("[data-role=transcript]")
    expect(transcript).to_have_attribute("aria-live", "polite")
    page.locator("[data-role=settings-button]").click()
    page.get_by_label("Read new comments aloud").uncheck()
    expect(transcript).to_have_attribute("aria-live", "off")


def test_long_transcript_skips_layout_and_removes_the_oldest_rows(
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
