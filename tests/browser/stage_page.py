"""A page with only a stage: its HTTP server, and actions for tests."""

from __future__ import annotations

import http.server
from pathlib import Path
from typing import Any, ClassVar

from playwright.sync_api import Page

ROOT = Path(__file__).resolve().parents[2]
POLICY = "default-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'"
ON_STAGE = "[data-role=stage] [data-role=comment]"
BOX = "(seq) => boxes().find((box) => box.seq === seq) ?? null"


class StageFiles(http.server.SimpleHTTPRequestHandler):
    """The stage's own files and the test page, under a strict policy."""

    extensions_map: ClassVar = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

    def translate_path(self, path: str) -> str:
        """Serve `/static/` from the repository and the rest from beside this test."""
        folder = ROOT if path.startswith("/static/") else Path(__file__).parent
        return str(folder / path.split("?")[0].lstrip("/"))

    def end_headers(self) -> None:
        """Send the policy with every response."""
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Log no requests."""


def add_comment(page: Page, text: str, own: bool = False, **more: Any) -> int:
    """Add a comment to the stage and wait until it is shown; returns its seq."""
    seq: int = page.evaluate(
        "([text, more, own]) => addComment(text, more, {own})", [text, more, own]
    )
    page.wait_for_selector(f'{ON_STAGE}[data-seq="{seq}"]', state="attached")
    return seq


def box(page: Page, seq: int) -> dict[str, float]:
    """Return the bounding box of a comment."""
    found = page.evaluate(BOX, seq)
    assert found is not None
    return dict(found)


def wait_until_left(page: Page, seq: int, pixels: float) -> dict[str, float]:
    """Wait until a comment's left edge is left of `pixels`, and return where it was then."""
    found = page.wait_for_function(
        """([seq, pixels]) => {
            const box = boxes().find((box) => box.seq === seq);
            return box?.left < pixels && box;
        }""",
        arg=[seq, pixels],
    )
    return dict(found.json_value())


def point_at(page: Page, seq: int) -> dict[str, float]:
    """Move the mouse over a moving comment until it is held; returns its bounding box."""
    for _ in range(50):
        target = box(page, seq)
        page.mouse.move(target["left"] + 20, (target["top"] + target["bottom"]) / 2)
        if page.locator(f'{ON_STAGE}[data-seq="{seq}"][data-held]').count() == 1:
            return box(page, seq)
    raise AssertionError("the comment was never held")
