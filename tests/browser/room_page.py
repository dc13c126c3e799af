"""Actions on the room page for tests: enter a room, post, find a row, change the environment."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.support.server_process import ServerProcess

LIVE = '[data-role=status][data-state="live"]'
FIELD = "[data-role=composer] [data-role=text]"
HINT = "[data-role=composer-hint]"
ROWS = "[data-role=transcript] [data-seq]"
TEXTS = f"{ROWS} .text"
ON_STAGE = "[data-role=stage] [data-role=comment]"


def enter(page: Page, server: ServerProcess, room: str) -> Page:
    """Open a room and wait until it is live."""
    page.goto(f"{server.url}/r/{room}")
    expect_state(page, "live")
    return page


def expect_state(page: Page, state: str, timeout: float = 15_000) -> None:
    """Wait until the page shows this state of its connection."""
    expect(page.locator("[data-role=status]")).to_have_attribute(
        "data-state", state, timeout=timeout
    )


def post(page: Page, text: str) -> None:
    """Type a text and send it with Enter."""
    page.locator(FIELD).fill(text)
    page.locator(FIELD).press("Enter")


def row(page: Page, text: str) -> Locator:
    """Return the transcript's row with this text."""
    return page.locator(ROWS).filter(has=page.get_by_text(text, exact=True))


def block_websocket(page: Page) -> None:
    """Close every WebSocket at once, as some networks do."""
    page.route_web_socket("**/ws/**", lambda socket: socket.close())


def set_hidden(page: Page, *, hidden: bool) -> None:
    """Make the page believe that its tab is hidden; headless Chromium never hides one."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, 'hidden', {configurable: true, value: hidden});
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )
