"""The console, as a moderator opens it in a browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from chat.core.comment import Role
from tests.support.room_admin import sign_token
from tests.support.server_process import ServerProcess

LOG = "[data-role=log] li"
TOAST = "[data-role=toast]"


def open_console(page: Page, server: ServerProcess, room: str, role: Role = Role.HOST) -> Page:
    page.goto(f"{server.url}/r/{room}/console#token={sign_token(server, room, role, 'Mia', 'mia')}")
    expect(page.locator("[data-role=work]")).to_be_visible()
    return page
