"""The HTTP API: short and long polling, posting without a connection, rooms and their settings."""

from __future__ import annotations

import asyncio
import math
import time

from chat.core import wire
from chat.core.reject import Rejection, reject
from chat.core.room import Author
from chat.web.handler import Handler, Refused

PAGE_DEFAULT = 50
PAGE_MOST = 300
WAIT_MOST = 30.0
LOBBY_ENTRIES = 5


class ApiHandler(Handler):
    """What the API's entries share: pages of allowed origins may call them."""

    def prepare(self) -> None:
        """Refuse pages of other sites; let those of allowed ones read the answer (CORS).

        Whoever waits for an answer is noted, so that the server's end can give it.
        """
        request = asyncio.current_task()
        assert request is not None
        self.house.answering.add(request)
        request.add_done_callback(self.house.answering.discard)
        self.check_origin_of_page()
        self._share_answer()

    def write_rejection(self, rejection: Rejection) -> None:
        """Let pages of allowed origins read why not, too: an error begins with headers anew."""
        if self.is_allowed_origin():
            self._share_answer()
        super().write_rejection(rejection)

    def _share_answer(self) -> None:
        origin = self.request.headers.get("Origin")
        self.set_header("Vary", "Origin")
        if origin is not None:
            self.set_header("Access-Control-Allow-Origin", origin)

    def options(self, *_args: str) -> None:
        """Answer a browser that asks before it calls (CORS preflight)."""
        self.set_header("Access-Control-Allow-Methods", "GET, POST, PATCH")
        self.set_header("Access-Control-Allow-Headers", "Content-Type, Authorization")
        self.set_header("Access-Control-Max-Age", "3600")
        self.set_status(204)

    def read_token(self) -> str | None:
        """Return the token that came with the request."""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        # Other schemes are a proxy's matter, not ours.
        return token.strip() if scheme.lower() == "bearer" else None

    def read_body(self) -> bytes:
        """Return the body, which is no larger than a message may be."""
        if len(self.request.body) > wire.MAX_MESSAGE_BYTES:
            raise Refused(reject("too_large"))
        return self.request.body

    def read_number(
        self, name: str, default: float, least: float, most: float, *, whole: bool = False
    ) -> float:
        """Read a parameter of the address."""
        raw = self.get_query_argument(name, None)
        if raw is None:
            return default
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if not least <= value <= most or (whole and not value.is_integer()):
            kind = "whole number" if whole else "number"
            detail = f"{name} must be a {kind} from {least:g} to {most:g}"
            raise Refused(reject("bad_parameter", detail=detail))
        return value


class Rooms(ApiHandler):
    """``GET /api/rooms``: the rooms that are open here."""

    def get(self) -> None:
        """Answer with a card for each."""
        cards = [
            wire.RoomCard(
                opened.room.name,
                len(opened.audience),
                opened.title,
                wire.join_bodies(opened.room.history.recent(LOBBY_ENTRIES)),
            )
            for opened in self.house.hub.live_rooms()
        ]
        self.write_json(wire.RoomList(cards, time.time_ns() // 1_000_000))


class RoomInfo(ApiHandler):
    """``GET /api/rooms/{room}``: where a room stands."""

    async def get(self, name: str) -> None:
        """Answer with its numbering, viewers and settings."""
        opened = await self.open_room(name)
        room = opened.room
        self.write_json(
            wire.RoomState(
                room.name, room.epoch, room.history.head, len(opened.audience), opened.settings
            )
        )


class RoomSettingsDoor(ApiHandler):
    """``PATCH /api/rooms/{room}/settings``: change some, for who holds a permit."""

    async def patch(self, name: str) -> None:
        """Answer with all settings once the change is durable."""
        self.require(self.house.permits.check(self.read_token(), name))
        patch = self.require(wire.decode_settings_patch(self.read_body()))
        opened = await self.open_room(name)
        self.write_json(self.require(await self.house.hub.change_settings(opened, patch)))


class Entries(ApiHandler):
    """``GET /api/rooms/{room}/entries?after=&wait=&limit=``: the next entries after a cursor."""

    _waiting: asyncio.Task[wire.Page | Rejection] | None = None

    async def get(self, name: str) -> None:
        """Answer at once (``wait=0``), or as soon as there is an entry (long polling)."""
        after = self.get_query_argument("after", None)
        cursor = None if after is None else self.require(wire.parse_cursor(after))
        wait = self.read_number("wait", 0, 0, WAIT_MOST)
        limit = int(self.read_number("limit", PAGE_DEFAULT, 1, PAGE_MOST, whole=True))
        opened = await self.open_room(name)
        # The connection stands for its owner: whoever asks again over it is the same viewer.
        poller = getattr(self.request.connection, "context", self)
        page = self.house.hub.read_page(opened, cursor, limit, wait, poller)
        self._waiting = asyncio.ensure_future(page)
        await asyncio.wait([self._waiting])
        if not self._waiting.cancelled():
            self.write_json(self.require(self._waiting.result()))

    def on_connection_close(self) -> None:
        """Wait no longer for somebody who has gone."""
        if self._waiting is not None:
            self._waiting.cancel()


class Comments(ApiHandler):
    """``POST /api/rooms/{room}/comments``: say something without a connection."""

    async def post(self, name: str) -> None:
        """Answer 201 once the comment is durable."""
        body: wire.HttpPost = self.require(wire.decode_http_post(self.read_body()))
        session = self.read_token()
        author = self._find_author(session, body)
        opened = await self.open_room(name)
        answer: asyncio.Future[wire.Ack | Rejection] = asyncio.get_running_loop().create_future()

        def tell(outcome: wire.Ack | Rejection) -> None:
            if not answer.done():
                answer.set_result(outcome)

        self.house.hub.post(opened, author, body.to_post(), tell)
        ack: wire.Ack = self.require(await answer)
        self.set_status(201)
        offered = self.house.guests.sign(author) if session is None else ""
        self.write_json(wire.Posted(ack.ref, ack.epoch, ack.seq, ack.dup, offered))

    def _find_author(self, session: str | None, body: wire.HttpPost) -> Author:
        guests = self.house.guests
        author: Author = self.require(
            guests.arrive_from(self.request.remote_ip or "", body.name, body.ref)
            if session is None
            else guests.recognise(session, body.name)
        )
        return author
