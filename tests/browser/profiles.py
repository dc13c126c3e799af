"""Browser profiles that tests use one after the other, each time without any data."""

from __future__ import annotations

from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Frame, Page

# Playwright installs a clock for good, and in the whole profile.
HAS_CLOCK = "() => '__pwClock' in globalThis"


def open_profile(browser: Browser, **options) -> BrowserContext:
    """Open a profile; ``options`` are Playwright's."""
    profile = browser.new_context(**{"locale": "en-GB", **options})
    profile.set_default_timeout(10_000)
    return profile


class Profiles:
    """Profiles with the usual options, kept for the next test that needs one.

    In a new profile a page takes Chromium twice the time, for a process of its own and for scripts
    that another page of the same site has compiled already. So each profile keeps a page open.
    """

    def __init__(self, browser: Browser, kept_url: str) -> None:
        self._browser = browser
        self._kept_url = kept_url
        self._free: list[BrowserContext] = []
        self._origins: dict[BrowserContext, set[str]] = {}

    def open_page(self) -> Page:
        """Open a page in a profile that no other open page is in."""
        profile = self._free.pop() if self._free else self._open()
        page = profile.new_page()
        page.on("framenavigated", self._note)
        return page

    def close_page(self, page: Page) -> None:
        """Close a page, and those that it has opened, and remove what its sites have stored."""
        profile = page.context
        kept, *others = profile.pages
        if kept.evaluate(HAS_CLOCK):
            profile.close()
            del self._origins[profile]
            return
        for other in others:
            other.close()
        profile.clear_cookies()
        session = profile.new_cdp_session(kept)
        for origin in self._origins[profile]:
            session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        session.detach()
        self._origins[profile].clear()
        self._free.append(profile)

    def _open(self) -> BrowserContext:
        profile = open_profile(self._browser)
        profile.new_page().goto(self._kept_url)
        self._origins[profile] = set()
        return profile

    def _note(self, frame: Frame) -> None:
        where = urlsplit(frame.url)
        if where.netloc:
            self._origins[frame.page.context].add(f"{where.scheme}://{where.netloc}")
