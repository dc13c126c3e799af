"""The base of the handlers for moderators."""

from __future__ import annotations

from chat.core.comment import MODERATORS
from chat.core.reject import Code, reject
from chat.core.room_state import Author
from chat.room import Room
from chat.web.api import ApiHandler
from chat.web.handler import Refused

MAX_DIGITS = 15


def read_decimal(raw: str) -> int | None:
    """Return the number in a part of an address, None if it is no number of an entry or act."""
    return int(raw) if raw.isascii() and raw.isdecimal() and len(raw) <= MAX_DIGITS else None


class ModeratorHandler(ApiHandler):
    """A handler that needs a moderator's or host's token for the room."""

    def authorize(self, room: str) -> Author:
        """Return the moderator; raises Refused."""
        tokens = self.services.tokens
        return self.require(tokens.authorize(self.read_token(), room, *MODERATORS))

    async def open_existing_room(self, name: str) -> Room:
        """Return the room, opened if necessary; raises Refused if it was never created."""
        room = self.require(await self.services.hub.open_existing_room(name))
        if room is None:
            raise Refused(reject(Code.NOT_FOUND))
        return room
