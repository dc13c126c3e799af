"""The HTML pages and the static files."""

from __future__ import annotations

import datetime
from typing import Any

from tornado.web import HTTPError, StaticFileHandler

from chat import __version__
from chat.core.reject import Code, Rejection, reject
from chat.core.responses import Failure
from chat.core.wire import encode, parse_room
from chat.web.handler import DeadlineHandler, Handler, Refused, Services

HLS_FILE = "hls.min.mjs"

_FILE_ERRORS = {405: Code.METHOD_NOT_ALLOWED, 500: Code.INTERNAL}

_POLICY = (
    "default-src 'self'; script-src 'self'; style-src {style}; img-src 'self' data:; "
    "media-src * blob:; connect-src *; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'; trusted-types {types}"
)
_PAGE_POLICY = _POLICY.format(style="'self'", types="'none'") + "; frame-ancestors 'none'"
# Any page may frame the overlay, also one of a file, which ``frame-ancestors *`` would exclude. OBS
# adds the operator's own style, older versions of it by ``innerHTML``: a Trusted Types policy in
# ``overlay/obs-trusted-types.js`` is only for that.
_OVERLAY_POLICY = _POLICY.format(style="'self' 'unsafe-inline'", types="default")


class PageHandler(Handler):
    """The base of the pages: the language, the template's variables, a strict content policy."""

    async def prepare(self) -> None:
        """Refuse hosts that are not allowed, and addresses that request too many pages."""
        await self.admit_page()

    def render_page(self, template: str, **names: Any) -> None:
        """Render a template in the viewer's language."""
        strings = self.services.strings
        language = strings.choose(
            self.get_cookie("lang"), self.request.headers.get("Accept-Language", "")
        )
        self.set_header("Content-Security-Policy", self.content_policy())
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Vary", "Accept-Language, Cookie")
        self.render(
            template,
            lang=language,
            t=strings.translator(language),
            strings_json=strings.block(language),
            version=__version__,
            base=self.services.settings.base_path,
            # The pages' estimate of the server's clock starts from it.
            now=self.services.clock.unix_ms(),
            **names,
        )

    def content_policy(self) -> str:
        """Return the Content-Security-Policy of this page."""
        return _PAGE_POLICY

    def write_rejection(self, rejection: Rejection) -> None:
        """Render an error as a page."""
        self.render_page("error.html", code=rejection.code, status=self.get_status())


class Lobby(PageHandler):
    """``/``: the live rooms, and the server's date and time."""

    def get(self) -> None:
        now = datetime.datetime.now().astimezone()
        self.render_page("lobby.html", server_time=now.isoformat(timespec="seconds"))


class RoomPage(PageHandler):
    """``/r/{room}``: the video, the comments that fly over it, and the composer."""

    def get(self, name: str) -> None:
        """Render the page; the room is opened when a viewer joins."""
        self.render_page("room.html", room=self.require(parse_room(name)))


class Console(PageHandler):
    """``/r/{room}/console``: the page on which moderators work; the API checks their token."""

    def get(self, name: str) -> None:
        self.render_page("console.html", room=self.require(parse_room(name)))


class NotFound(PageHandler):
    """All other addresses: an HTML page for a browser, JSON for a program."""

    async def prepare(self) -> None:
        """Respond 404 to any method."""
        await self.admit_page()
        raise Refused(reject(Code.NOT_FOUND))

    def write_rejection(self, rejection: Rejection) -> None:
        """Respond with HTML if the client accepts it, with JSON otherwise."""
        if "text/html" in self.request.headers.get("Accept", ""):
            super().write_rejection(rejection)
        else:
            self.write_json(Failure(rejection))


class Overlay(PageHandler):
    """``/r/{room}/overlay``: only the comments, for OBS or an iframe on any site."""

    def content_policy(self) -> str:
        """Return the Content-Security-Policy of the overlay."""
        return _OVERLAY_POLICY

    def get(self, name: str) -> None:
        self.render_page("overlay.html", room=self.require(parse_room(name)))


class OverlayComposer(PageHandler):
    """``/r/{room}/overlay/compose``: a form for the overlay's appearance, which shows its URL."""

    def get(self, name: str) -> None:
        self.render_page("overlay_composer.html", room=self.require(parse_room(name)))


class StaticFiles(DeadlineHandler, StaticFileHandler):
    """JavaScript modules and styles: revalidated at each use, and readable by other origins."""

    def initialize(  # type: ignore[override]
        self, path: str, services: Services, default_filename: str | None = None
    ) -> None:
        """Tornado's hook: receive the application's arguments."""
        super().initialize(path, default_filename)
        self.services = services

    async def prepare(self) -> None:
        """Refuse hosts that are not allowed, and addresses that request too many files."""
        await self.admit_page()

    def set_default_headers(self) -> None:
        """Let pages of other origins load the modules of an embedded stage."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Access-Control-Allow-Origin", "*")

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Respond 404 to a name with a NUL, for which the file system raises an error."""
        if "\0" in absolute_path:
            raise HTTPError(404)
        return super().validate_absolute_path(root, absolute_path)

    def set_extra_headers(self, path: str) -> None:
        """Make browsers revalidate: the URLs contain no version."""
        self.set_header("Cache-Control", "no-cache")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Respond with a JSON error, like the API; a folder is treated as a missing file."""
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        rejection = reject(_FILE_ERRORS.get(status_code, Code.NOT_FOUND))
        if isinstance(error, Refused):
            rejection = error.rejection
            self.set_error_headers(rejection)
        self.set_status(rejection.status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(encode(Failure(rejection)))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Do not log files that are missing."""
        if not isinstance(value, HTTPError):
            super().log_exception(typ, value, tb)


class HlsModule(StaticFiles):
    """``/vendor/hls.js``: the module of the npm package hls.js, if it was fetched."""

    def parse_url_path(self, url_path: str) -> str:
        """Return the file's name in the package."""
        return HLS_FILE
