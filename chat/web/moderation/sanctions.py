"""Sanctions: who may not post in a room."""

from __future__ import annotations

from chat.core.reject import Code, reject
from chat.core.requests import SanctionRequest, decode_body
from chat.web.handler import Refused
from chat.web.moderation.handler import ModeratorHandler, read_decimal


class SanctionsHandler(ModeratorHandler):
    """``GET`` and ``POST /api/rooms/{room}/sanctions``: those in force, and a new one."""

    async def get(self, name: str) -> None:
        """Respond with the sanctions in force, oldest first."""
        self.authorize(name)
        room = await self.open_existing_room(name)
        self.write_json(self.services.moderation.list_sanctions(room))

    async def post(self, name: str) -> None:
        """Respond 201 with the sanction once it is durable and in force."""
        author = self.authorize(name)
        body = self.require(decode_body(self.read_body(), SanctionRequest))
        room = await self.open_existing_room(name)
        sanction = self.require(await self.services.moderation.sanction(room, body, author))
        self.set_status(201)
        self.write_json(sanction)


class SanctionHandler(ModeratorHandler):
    """``DELETE /api/rooms/{room}/sanctions/{id}``: lift a sanction."""

    async def delete(self, name: str, raw_number: str) -> None:
        """Respond 204 once it is lifted; again, the same."""
        author = self.authorize(name)
        number = read_decimal(raw_number)
        if number is None:
            raise Refused(reject(Code.NOT_FOUND))
        room = await self.open_existing_room(name)
        lifted = await self.services.moderation.lift(room, number, author)
        if lifted is not None:
            raise Refused(lifted)
        self.set_status(204)
