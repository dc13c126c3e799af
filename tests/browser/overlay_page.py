"""Comments on an overlay, and the page of another site that embeds one."""

from __future__ import annotations

import http.server
import urllib.request
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from playwright.sync_api import Page

from tests.browser.room_page import ON_STAGE

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "embed.html"


def post(url: str, room: str, text: str, **more: str) -> None:
    """Post to a room over HTTP."""
    body = msgspec.json.encode({"text": text, **more})
    request = urllib.request.Request(f"{url}/api/rooms/{room}/comments", body)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201


def post_until_shown(page: Page, url: str, room: str, text: str, **more: str) -> None:
    """Post until the comment is shown: an overlay does not show whether it is connected."""
    for _ in range(20):
        post(url, room, text, **more)
        try:
            page.locator(ON_STAGE, has_text=text).first.wait_for(state="attached", timeout=1000)
        except Exception:
            continue
        return
    pytest.fail(f"{text!r} was never shown")


class OtherSite(http.server.BaseHTTPRequestHandler):
    """The page of another site: the example, with the address of the server under test."""

    page: ClassVar[str] = ""

    @classmethod
    def embed(cls, server: Any, room: str) -> None:
        """Let the page embed this room."""
        example = EXAMPLE.read_text().replace("http://127.0.0.1:8888", server.url)
        cls.page = example.replace('"demo"', f'"{room}"')

    def do_GET(self) -> None:
        """Respond to every request with the page."""
        body = self.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests."""
