"""What all HTTP handlers share: headers that keep browsers safe, and errors with a code."""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from msgspec import Struct
from tornado.web import HTTPError, RequestHandler

from chat.core.reject import Rejection, reject
from chat.core.wire import Failure, encode
from chat.hub import Hub
from chat.metrics import Metrics
from chat.open_room import OpenRoom
from chat.settings import Settings
from chat.web.connection import Connections
from chat.web.identity import Guests
from chat.web.origin import is_allowed_origin
from chat.web.permits import Permits
from chat.web.strings import Strings

_log = logging.getLogger(__name__)

_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What the handlers are given: the parts of the server that they speak to."""

    settings: Settings
    hub: Hub
    metrics: Metrics
    connections: Connections
    guests: Guests
    permits: Permits
    strings: Strings
    answering: set[asyncio.Task[Any]] = field(default_factory=set)
    """The API's requests that are not answered yet."""


class Refused(HTTPError):
    """An answer that is a rejection: raised by a handler, written as JSON or as a page."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.status)
        self.rejection = rejection


class Handler(RequestHandler):
    """The base of every handler."""

    def initialize(self, house: House) -> None:
        """Take what the server is made of."""
        self.house = house

    def set_default_headers(self) -> None:
        """Say nothing about the server, and let no browser guess a type."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")

    def require(self, value: Any) -> Any:
        """Return a value, or end the request when it is a rejection."""
        if isinstance(value, Rejection):
            raise Refused(value)
        return value

    def check_origin_of_page(self) -> None:
        """End the request when it comes from a page that may not use this server."""
        if not self.is_allowed_origin():
            raise Refused(reject("forbidden_origin"))

    def is_allowed_origin(self) -> bool:
        """Tell whether the page that sent this request, if one did, may use this server."""
        headers = self.request.headers
        origin = headers.get("Origin")
        return is_allowed_origin(
            origin, headers.get("Host", ""), self.house.settings.allowed_origins
        )

    async def open_room(self, name: str) -> OpenRoom:
        """Return the room of the address, opening it at first use."""
        opened: OpenRoom = self.require(await self.house.hub.open_room(name))
        return opened

    def rejection_of(self, status: int, error: BaseException | None) -> Rejection:
        """Say what went wrong in the terms of the protocol."""
        if isinstance(error, Refused):
            return error.rejection
        return reject(_CODES.get(status, "internal" if status >= 500 else "bad_request"))

    async def head(self, *args: str) -> None:
        """Answer as to GET; Tornado leaves the body out."""
        answer = self.get(*args)
        if answer is not None:
            await answer

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with ``{"error": {"code", "message", "retry_after"}}``."""
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        rejection = self.house.hub.refuse(self.rejection_of(status_code, error))
        if rejection.retry_after is not None:
            # Whole seconds, up: who waits as told must not be too early.
            self.set_header("Retry-After", str(math.ceil(rejection.retry_after)))
        if rejection.status == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Bearer")  # RFC 9110, section 11.6.1
        self.write_rejection(rejection)

    def write_rejection(self, rejection: Rejection) -> None:
        """Write the body of an error."""
        self.write_json(Failure(rejection))

    def write_json(self, answer: Struct) -> None:
        """Answer with JSON, for this moment only."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(encode(answer))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log what is a fault of the server's; what a peer did wrong is counted, not logged."""
        if not isinstance(value, HTTPError) or (
            value.status_code >= 500 and type(value) is HTTPError
        ):
            _log.error("%s %s failed", self.request.method, self.request.path, exc_info=value)
