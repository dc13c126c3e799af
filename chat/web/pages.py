"""The pages and the files that they are made of."""

from __future__ import annotations

import datetime
from typing import Any

from tornado.web import HTTPError, StaticFileHandler

from chat import __version__
from chat.core.reject import Rejection, reject
from chat.core.wire import Failure, encode, parse_room
from chat.web.handler import Handler, Refused

_POLICY = (
    "default-src 'self'; script-src 'self'; style-src {style}; img-src 'self' data:; "
    "media-src * blob:; connect-src *; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors {ancestors}; require-trusted-types-for 'script'; trusted-types {types}"
)
_PAGE_POLICY = _POLICY.format(style="'self'", ancestors="'self'", types="'none'")
# Anybody may frame it. OBS adds the operator's own style, older ones by ``innerHTML``: the page has
# the one policy for that, in ``overlay/obs-trusted-types.js``.
_OVERLAY_POLICY = _POLICY.format(style="'self' 'unsafe-inline'", ancestors="*", types="default")


class PageHandler(Handler):
    """What the pages share: the language, the templates' names, a strict content policy."""

    def render_page(self, template: str, **names: Any) -> None:
        """Write a page in the viewer's language."""
        strings = self.house.strings
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
            **names,
        )

    def content_policy(self) -> str:
        """Return what the browser may load and run for this page."""
        return _PAGE_POLICY

    def write_rejection(self, rejection: Rejection) -> None:
        """Write an error as a page."""
        self.render_page("error.html", code=rejection.code, status=self.get_status())


class Lobby(PageHandler):
    """``/``: the rooms that are live, and the server's date and time."""

    def get(self) -> None:
        """Write the page."""
        now = datetime.datetime.now().astimezone()
        self.render_page("lobby.html", server_time=now.isoformat(timespec="seconds"))


class RoomPage(PageHandler):
    """``/r/{room}``: the picture, the comments that fly over it, and the composer."""

    def get(self, name: str) -> None:
        """Write the page; the room opens when somebody follows it."""
        self.render_page("room.html", room=self.require(parse_room(name)))


class NotFound(PageHandler):
    """Every address that there is nothing at: a page for a browser, JSON for a program."""

    def prepare(self) -> None:
        """Refuse."""
        raise Refused(reject("not_found"))

    def write_rejection(self, rejection: Rejection) -> None:
        """Write the error as whoever asked can read it."""
        if "text/html" in self.request.headers.get("Accept", ""):
            super().write_rejection(rejection)
        else:
            self.write_json(Failure(rejection))


class Overlay(PageHandler):
    """``/r/{room}/overlay``: nothing but the comments, for OBS or an iframe of any site."""

    def content_policy(self) -> str:
        """Return what the browser may load and run for the overlay."""
        return _OVERLAY_POLICY

    def get(self, name: str) -> None:
        """Write the page."""
        self.render_page("overlay.html", room=self.require(parse_room(name)))


class OverlayComposer(PageHandler):
    """``/r/{room}/overlay/compose``: sets the overlay's look, and gives its address."""

    def get(self, name: str) -> None:
        """Write the page."""
        self.render_page("overlay_composer.html", room=self.require(parse_room(name)))


class StaticFiles(StaticFileHandler):
    """The modules and styles: checked for change at each use, and open to embedding pages."""

    def set_default_headers(self) -> None:
        """Let pages of other sites load the modules of an embedded stage."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Access-Control-Allow-Origin", "*")

    def set_extra_headers(self, path: str) -> None:
        """Modules import each other by plain names, so a browser has to ask for changes."""
        self.set_header("Cache-Control", "no-cache")

    def write_error(self, status_code: int, **_kwargs: Any) -> None:
        """Answer as the other entries do."""
        code = "not_found" if status_code < 500 else "internal"
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(encode(Failure(reject(code))))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Do not log what is missing."""
        if not isinstance(value, HTTPError):
            super().log_exception(typ, value, tb)


class HlsModule(StaticFiles):
    """``/vendor/hls.js``: the module of the npm package hls.js, where npm has installed it."""

    def parse_url_path(self, url_path: str) -> str:
        """Name the module as its package does."""
        return "hls.mjs"
