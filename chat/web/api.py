"""The HTTP API: short and long polling, posting without a connection, rooms and their settings."""

from __future__ import annotations

import asyncio
import math
from contextlib import nullcontext

from msgspec import Raw
from msgspec.structs import replace

from chat.core import wire
from chat.core.budgets import address_key
from chat.core.comment import Role, clean_name
from chat.core.moderation.held import HeldPost
from chat.core.query import read_query
from chat.core.reject import Code, Rejection, reject
from chat.core.requests import GuestRequest, HttpPost, decode_body
from chat.core.responses import Guest, Page, Posted, PostHeld, RoomInfo
from chat.core.room_settings import SettingsPatch, Shield
from chat.core.room_state import Author
from chat.web.handler import Handler, Refused
from chat.web.request_stream import RequestStream
from chat.web.room_list import MAX_ROOMS

PAGE_DEFAULT = 50
MAX_PAGE = 300
MAX_WAIT = 30.0
ROOMS_DEFAULT = 100
MAX_POLLER_LENGTH = 64


class ApiHandler(Handler):
    """The base of the API's handlers: pages of allowed origins may call them."""

    PARAMETERS: tuple[str, ...] = ()
    """The query parameters that are accepted."""

    async def prepare(self) -> None:
        """Reject pages of other origins, and let allowed ones read the response (CORS).

        The request is recorded as pending, so that a server that stops responds to it first.
        """
        request = asyncio.current_task()
        assert request is not None
        self.services.pending_requests.add(request)
        request.add_done_callback(self.services.pending_requests.discard)
        if (rejection := self.services.callers.check(self.caller)) is not None:
            raise Refused(rejection)
        self._allow_reading()
        self.query = self.require(read_query(self.request.query, self.PARAMETERS))
        await self.require_budget(self.services.peers.admit_request(self.address))

    def write_rejection(self, rejection: Rejection) -> None:
        """Let pages of allowed origins read errors, too; Tornado has cleared the headers."""
        if self.services.callers.allows_page(self.caller):
            self._allow_reading()
        super().write_rejection(rejection)

    def _allow_reading(self) -> None:
        origin = self.request.headers.get("Origin")
        self.set_header("Vary", "Origin")
        if origin is not None:
            self.set_header("Access-Control-Allow-Origin", origin)

    def options(self, *_args: str) -> None:
        """Respond to a CORS preflight."""
        self.set_header("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
        self.set_header("Access-Control-Allow-Headers", "Content-Type, Authorization")
        self.set_header("Access-Control-Max-Age", "3600")
        self.set_status(204)

    def read_token(self) -> str | None:
        """Return the bearer token of the request; None if it has none."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        # Other schemes are meant for a reverse proxy.
        return token.strip() if scheme.lower() == "bearer" else None

    def read_body(self) -> bytes:
        """Return the body; raises Refused if it is larger than a message may be."""
        if len(self.request.body) > wire.MAX_MESSAGE_BYTES:
            raise Refused(reject(Code.TOO_LARGE))
        return self.request.body

    def read_number(
        self, name: str, default: float, least: float, most: float, *, whole: bool = False
    ) -> float:
        """Return a number from the query; raises Refused if it is out of range."""
        raw = self.query.get(name)
        if raw is None:
            return default
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if not least <= value <= most or (whole and not value.is_integer()):
            kind = "whole number" if whole else "number"
            detail = f"{name} must be a {kind} from {least:g} to {most:g}"
            raise Refused(reject(Code.BAD_PARAMETER, detail=detail))
        return value


class Rooms(ApiHandler):
    """``GET /api/rooms``: the live rooms."""

    PARAMETERS = ("limit",)

    def get(self) -> None:
        """Respond with the rooms, most viewers first."""
        limit = int(self.read_number("limit", ROOMS_DEFAULT, 1, MAX_ROOMS, whole=True))
        self.write_bytes(self.services.room_list.read(limit))


class RoomHandler(ApiHandler):
    """``GET /api/rooms/{room}``: the state of a room."""

    async def get(self, name: str) -> None:
        """Respond with the room's newest seq, viewers and settings."""
        room = self.require(await self.services.hub.open_existing_room(name))
        self.write_json(
            RoomInfo(name, wire.BEGINNING.epoch, 0, 0, Raw(b"{}"))
            if room is None
            else RoomInfo(name, room.epoch, room.head, room.viewer_count, room.settings_json)
        )


class RoomSettingsHandler(ApiHandler):
    """``PATCH /api/rooms/{room}/settings``: change settings, with a host's token."""

    async def patch(self, name: str) -> None:
        """Respond with all settings once the change is durable."""
        author = self.require(self.services.tokens.authorize(self.read_token(), name, Role.HOST))
        patch = self.require(decode_body(self.read_body(), SettingsPatch))
        room = await self.open_room(name)
        self.write_json(self.require(await self.services.hub.change_settings(room, patch, author)))


class ShieldHandler(ApiHandler):
    """``POST`` and ``DELETE /api/rooms/{room}/shield``: strict rules for a while."""

    async def post(self, name: str) -> None:
        """Respond with all settings once the shield is durable and in force."""
        author = self._authorize(name)
        await self._change(
            name, self.require(decode_body(self.read_body() or b"{}", Shield)), author
        )

    async def delete(self, name: str) -> None:
        """Respond with all settings once the shield is lifted; again, the same."""
        await self._change(name, None, self._authorize(name))

    def _authorize(self, name: str) -> Author:
        return self.require(self.services.tokens.authorize(self.read_token(), name, Role.HOST))

    async def _change(self, name: str, shield: Shield | None, author: Author) -> None:
        room = await self.open_room(name)
        self.write_json(self.require(await self.services.hub.change_settings(room, shield, author)))


class Entries(ApiHandler):
    """``GET /api/rooms/{room}/entries?after=&wait=&limit=``: the next entries after a cursor."""

    PARAMETERS = ("after", "wait", "limit", "poller")

    _waiting: asyncio.Task[Page | Rejection] | None = None

    async def get(self, name: str) -> None:
        """Respond at once (``wait=0``), or as soon as there is an entry (long polling)."""
        after = self.query.get("after")
        cursor = None if after is None else self.require(wire.parse_cursor(after))
        token = self.read_token()
        verify = self.services.tokens.verify
        reader = None if token is None else self.require(verify(token, name)).author
        wait = self.read_number("wait", 0, 0, MAX_WAIT)
        limit = int(self.read_number("limit", PAGE_DEFAULT, 1, MAX_PAGE, whole=True))
        poller = (self.address, self._read_poller())
        peers = self.services.peers
        with peers.hold_long_poll(self.address) if wait else nullcontext() as rejection:
            if rejection is not None:
                raise Refused(rejection)
            hub, stream = self.services.hub, getattr(self.request.connection, "stream", None)
            self._waiting = asyncio.ensure_future(
                hub.read_room(name, cursor, limit, wait, poller, reader)
            )
            if isinstance(stream, RequestStream):
                stream.set_peer_end_callback(self._stop_waiting)
            await asyncio.wait([self._waiting])
        if not self._waiting.cancelled():
            self.write_json(self.require(self._waiting.result()))
        elif stream is not None and not stream.closed():
            # The peer has shut down its sending side: respond at once, since it may still read.
            self.write_json(
                self.require(await hub.read_room(name, cursor, limit, 0, poller, reader))
            )

    def _read_poller(self) -> str:
        """Return the id by which all polls of a client count as one viewer."""
        poller = self.query.get("poller", "")
        if len(poller) > MAX_POLLER_LENGTH:
            detail = f"poller must have at most {MAX_POLLER_LENGTH} characters"
            raise Refused(reject(Code.BAD_PARAMETER, detail=detail))
        return poller

    def on_connection_close(self) -> None:
        """Stop waiting when the client has disconnected."""
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()


class Session(ApiHandler):
    """``POST /api/session``: become a guest, before the first post over HTTP."""

    def post(self) -> None:
        """Respond 201 with a new guest and its session."""
        body = self.require(decode_body(self.read_body() or b"{}", GuestRequest))
        guest = self.require(self.services.guests.create_guest(body.name))
        self.set_status(201)
        session = self.services.guests.sign(guest)
        self.write_json(Guest(guest.user, guest.name, guest.role, session))


class Comments(ApiHandler):
    """``POST /api/rooms/{room}/comments``: post a comment without a connection."""

    async def post(self, name: str) -> None:
        """Respond 201 once the comment is durable."""
        body = self.require(decode_body(self.read_body(), HttpPost))
        token = self.read_token()
        author = self._find_author(token, body, name)
        if self.services.hub.find_room(name) is None:
            await self.require_budget(self.services.peers.admit_opening(self.address))
        room = await self.open_room(name)
        # Shielded: the outcome is shared with retries of the same ref.
        outcome = asyncio.shield(
            self.services.hub.post(room, author, body.to_post(), address_key(self.address))
        )
        result = await outcome
        if isinstance(result, Rejection):
            raise Refused(result)
        if isinstance(result, HeldPost):
            self.set_status(202)
            session = self._offer_session(author, result.is_repeated)
            self.write_json(PostHeld(result.ref, session=session))
        else:
            self.set_status(201)
            session = self._offer_session(author, result.dup)
            self.write_json(Posted(result.ref, result.epoch, result.seq, result.dup, session))

    def _offer_session(self, author: Author, is_repeated: bool) -> str:
        # A repeated post without a session may come from someone else who saw it.
        is_offered = not is_repeated if self.read_token() is None else author.chose_name
        return self.services.guests.sign(author) if is_offered else ""

    def _find_author(self, token: str | None, body: HttpPost, room: str) -> Author:
        if token is None:
            guests = self.services.guests
            return self.require(guests.create_guest_for_request(self.address, room, body))
        author = self.require(self.services.tokens.verify(token, room)).author
        if body.name is None:
            return author
        name = self.require(clean_name(body.name))
        if author.is_guest:
            return replace(author, name=name, chose_name=True)
        if name != author.name:
            raise Refused(reject(Code.NOT_ALLOWED))  # the token has the name
        return author
