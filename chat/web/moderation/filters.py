"""The filters of a room: which words and patterns are not accepted."""

from __future__ import annotations

from tornado.http1connection import HTTP1Connection
from tornado.web import stream_request_body

from chat.core.comment import Role
from chat.core.reject import Code, Rejection, reject
from chat.core.requests import TryRequest, decode_body
from chat.core.room_state import Author
from chat.web.handler import Refused
from chat.web.moderation.handler import ModeratorHandler
from chat.web.moderation.log import MAX_NUMBER

MAX_FILTERS_BYTES = 8 * 1_024 * 1_024


@stream_request_body
class FiltersHandler(ModeratorHandler):
    """``GET`` and ``PUT /api/rooms/{room}/filters``, with a host's token.

    ``before``: those that were in force before an act.
    """

    PARAMETERS = ("before",)

    _is_read = False

    async def prepare(self) -> None:
        """Check the token of a PUT before its body is read, which may be large."""
        self._chunks: list[bytes] = []
        await super().prepare()
        if self.request.method == "PUT":
            self._authorize_host(self.path_args[0])
            connection = self.request.connection
            if isinstance(connection, HTTP1Connection):
                connection.set_max_body_size(MAX_FILTERS_BYTES)

    def _authorize_host(self, room: str) -> Author:
        tokens = self.services.tokens
        return self.require(tokens.authorize(self.read_token(), room, Role.HOST))

    def write_rejection(self, rejection: Rejection) -> None:
        """Announce that the connection ends if the body was not read."""
        if self.request.method == "PUT" and not self._is_read:
            self.set_header("Connection", "close")
        super().write_rejection(rejection)

    def data_received(self, chunk: bytes) -> None:
        """Keep the next part of the body."""
        self._chunks.append(chunk)

    async def get(self, name: str) -> None:
        """Respond with the filters in force."""
        self._authorize_host(name)
        before = int(self.read_number("before", 0, 1, MAX_NUMBER, whole=True))
        room = await self.open_existing_room(name)
        self.write_bytes(self.require(await self.services.filtering.read(room, before or None)))

    async def put(self, name: str) -> None:
        """Respond with the number of filters once they are durable and in force."""
        self._is_read = True
        author = self._authorize_host(name)
        if self.query:
            raise Refused(reject(Code.BAD_PARAMETER, detail="PUT has no parameters"))
        body, self._chunks = b"".join(self._chunks), []
        room = await self.open_room(name)
        changed = await self.services.filtering.change(room, body, author)
        self.write_json(self.require(changed))


class TryHandler(ModeratorHandler):
    """``POST /api/rooms/{room}/filters/try``: what the filters would do with a text."""

    async def post(self, name: str) -> None:
        """Respond with the action, the filters that match, and the text as it would be shown."""
        self.authorize(name)
        body = self.require(decode_body(self.read_body(), TryRequest))
        room = await self.open_existing_room(name)
        self.write_json(self.require(await self.services.filtering.try_text(room, body.text)))
