"""The base classes of the HTTP handlers: security headers, and errors with a code."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable
from dataclasses import dataclass, field
from functools import cached_property
from http import HTTPStatus
from typing import Any, TypeVar

from msgspec import Struct
from tornado.web import HTTPError, RequestHandler

from chat.core.reject import Code, Rejection, reject
from chat.core.responses import Failure
from chat.core.wire import encode
from chat.environment import Clock
from chat.filtering import Filtering
from chat.hub import Hub
from chat.metrics import Metrics
from chat.moderation import Moderation
from chat.room import Room
from chat.settings import Settings
from chat.web.callers import Caller, Callers
from chat.web.connections import Connections
from chat.web.identity.guests import GuestSessions
from chat.web.identity.tokens import Tokens
from chat.web.peers import Peers
from chat.web.responses import PendingResponses
from chat.web.room_list import RoomList
from chat.web.strings import Strings

_log = logging.getLogger(__name__)

Value = TypeVar("Value")

_PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
_NO_PAGE_POLICY = "default-src 'none'; frame-ancestors 'none'"

_CODES = {404: Code.NOT_FOUND, 405: Code.METHOD_NOT_ALLOWED, 413: Code.TOO_LARGE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of the server that the handlers use."""

    settings: Settings
    clock: Clock
    callers: Callers
    hub: Hub
    moderation: Moderation
    filtering: Filtering
    metrics: Metrics
    connections: Connections
    peers: Peers
    responses: PendingResponses
    guests: GuestSessions
    tokens: Tokens
    strings: Strings
    room_list: RoomList
    pending_requests: set[asyncio.Task[Any]] = field(default_factory=set)
    """The API requests that have no response yet."""


class Refused(HTTPError):
    """Raised by a handler to respond with a rejection, written as JSON or as a page."""

    def __init__(self, rejection: Rejection) -> None:
        super().__init__(rejection.status)
        self.rejection = rejection


class DeadlineHandler(RequestHandler):
    """A handler whose responses have a deadline; see ``web/responses.py``."""

    services: Services

    def flush(self, include_footers: bool = False) -> asyncio.Future[None]:
        """Tornado's hook: send what was written so far, within a deadline."""
        written = super().flush(include_footers)
        stream = getattr(self.request.connection, "stream", None)
        if stream is not None:
            self.services.responses.watch(stream, written)
        return written

    @cached_property
    def caller(self) -> Caller:
        """The sender of this request."""
        return self.services.callers.identify(self.request.remote_ip or "", self.request.headers)

    @property
    def address(self) -> str:
        """The client's IP address."""
        return self.caller.address

    async def admit_page(self) -> None:
        """Refuse hosts that are not allowed, and addresses that request too many pages."""
        if (rejection := self.services.callers.check_host(self.caller)) is not None:
            raise Refused(rejection)
        await self.require_budget(self.services.peers.admit_page(self.address))

    async def require_budget(self, value: Value | Rejection) -> Value:
        """Return a value; raises Refused if it is a rejection, later if a budget was exceeded.

        A connection whose address has too many such requests is closed without a response.
        """
        if isinstance(value, Rejection):
            if value.code is Code.TOO_MANY and not await self.services.peers.delay_refusal(
                self.address
            ):
                stream = getattr(self.request.connection, "stream", None)
                if stream is not None:
                    stream.close()
            raise Refused(value)
        return value

    def set_error_headers(self, rejection: Rejection) -> None:
        """Set the headers that go with a rejection, and count it."""
        self.services.metrics.count_rejection(rejection)
        if rejection.retry_after is not None:
            # Whole seconds, rounded up: a client that waits this long must not be too early.
            self.set_header("Retry-After", str(math.ceil(rejection.retry_after)))
        if rejection.status == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Bearer")  # RFC 9110, section 11.6.1
        if rejection.code is Code.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self._find_methods()))  # section 15.5.6

    def _find_methods(self) -> list[str]:
        """Return the methods that this handler implements."""
        names = [name.lower() for name in self.SUPPORTED_METHODS]
        defined = [
            one for one in names if getattr(type(self), one) is not getattr(RequestHandler, one)
        ]
        return [name.upper() for name in defined]


class Handler(DeadlineHandler):
    """The base of every handler except those for static files."""

    def initialize(self, services: Services) -> None:
        """Tornado's hook: receive the application's arguments."""
        self.services = services

    def set_default_headers(self) -> None:
        """Tornado's hook: send no Server header, and set headers that restrict browsers."""
        self.clear_header("Server")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Permissions-Policy", _PERMISSIONS)
        # For responses that a browser shows although they are not pages; pages have their own.
        self.set_header("Content-Security-Policy", _NO_PAGE_POLICY)

    def prepare(self) -> Awaitable[None] | None:
        """Refuse hosts that are not allowed."""
        if (rejection := self.services.callers.check_host(self.caller)) is not None:
            raise Refused(rejection)
        return None

    def require(self, value: Value | Rejection) -> Value:
        """Return a value; raises Refused if it is a rejection."""
        if isinstance(value, Rejection):
            raise Refused(value)
        return value

    async def open_room(self, name: str) -> Room:
        """Return the room, opened if necessary; raises Refused if it cannot be opened."""
        return self.require(await self.services.hub.open_room(name))

    def rejection_of(self, status: int, error: BaseException | None) -> Rejection:
        """Return the protocol's rejection for an HTTP status."""
        if isinstance(error, Refused):
            return error.rejection
        return reject(_CODES.get(status, Code.INTERNAL if status >= 500 else Code.BAD_REQUEST))

    async def head(self, *args: str) -> None:
        """Respond as to GET; Tornado omits the body."""
        pending = self.get(*args)
        if pending is not None:
            await pending

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Respond with ``{"error": {"code", "message", "retry_after"}}``."""
        _, error, _ = kwargs.get("exc_info", (None, None, None))
        rejection = self.rejection_of(status_code, error)
        self.set_error_headers(rejection)
        self.write_rejection(rejection)

    def write_rejection(self, rejection: Rejection) -> None:
        """Write a rejection as the body of the response."""
        self.write_json(Failure(rejection))

    def write_json(self, body: Struct) -> None:
        """Respond with JSON that must not be cached."""
        self.write_bytes(encode(body))

    def write_bytes(self, body: bytes) -> None:
        """Respond with encoded JSON that must not be cached."""
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(body)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Log errors of the server; errors of a peer are counted, not logged."""
        if not isinstance(value, HTTPError) or (
            value.status_code >= 500 and type(value) is HTTPError
        ):
            _log.error("%s %s failed", self.request.method, self.request.path, exc_info=value)
