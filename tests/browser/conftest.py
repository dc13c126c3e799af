"""A real Chromium, and pages in it that fail the test when they log an error."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.browser.media_site import MediaSite
from tests.browser.overlay_page import OtherSite
from tests.browser.profiles import Profiles, open_profile
from tests.browser.stage_page import StageFiles

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Open a browser profile of its own; ``options`` are Playwright's."""
    opened: list[BrowserContext] = []

    def open_context(**options) -> BrowserContext:
        opened.append(open_profile(browser, **options))
        return opened[-1]

    yield open_context
    for context in opened:
        context.close()


@pytest.fixture(scope="session")
def profiles(browser: Browser, stage_url: str) -> Profiles:
    return Profiles(browser, stage_url)


@pytest.fixture
def new_page(
    new_context: Callable[..., BrowserContext], profiles: Profiles
) -> Iterator[Callable[..., Page]]:
    """Open a tab in a profile of its own. An exception in its scripts fails the test.

    ``options`` are Playwright's. What a test changes for the whole profile, except for the clock,
    needs ``new_context``: without options, later tests use the profile again.
    """
    errors: list[str] = []
    opened: list[Page] = []

    def open_page(**options) -> Page:
        if options:
            page = new_context(**options).new_page()
        else:
            page = profiles.open_page()
            opened.append(page)
        # Raised here it would end the driver, and with it every test that comes after.
        page.on("pageerror", lambda error: errors.append(str(error)))
        return page

    yield open_page
    for page in opened:
        profiles.close_page(page)
    assert errors == [], "a script of the page failed"


@pytest.fixture(scope="session")
def media(browser: Browser) -> Iterator[MediaSite]:
    """A site with what the browser recorded itself: two clips, and one of them again as HLS."""
    site = MediaSite()
    site.record(browser)
    yield site
    site.close()


@pytest.fixture(scope="session")
def stage_url() -> Iterator[str]:
    files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StageFiles)
    threading.Thread(target=files.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{files.server_port}/stage_page.html"
    files.shutdown()
    files.server_close()


@pytest.fixture
def page(stage_url: str, new_page: Callable[..., Page]) -> Page:
    """Open a page with nothing but a stage."""
    page = new_page()
    page.goto(stage_url)
    page.wait_for_function("() => window.ready")
    return page


@pytest.fixture
def other_site() -> Iterator[str]:
    """A site of another origin that serves ``OtherSite.page``."""
    site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OtherSite)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{site.server_port}"
    site.shutdown()
    site.server_close()
