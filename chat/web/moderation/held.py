"""Held comments: what waits for a moderator."""

from __future__ import annotations

from chat.core.reject import Code, reject
from chat.core.requests import DecisionRequest, decode_body
from chat.web.handler import Refused
from chat.web.moderation.handler import ModeratorHandler, read_decimal


class HeldHandler(ModeratorHandler):
    """``GET /api/rooms/{room}/held``: the comments that wait."""

    async def get(self, name: str) -> None:
        """Respond with the comments, oldest first."""
        self.authorize(name)
        room = await self.open_existing_room(name)
        self.write_json(self.require(await self.services.moderation.list_held(room)))


class DecisionHandler(ModeratorHandler):
    """``POST /api/rooms/{room}/held/{id}``: approve a comment, or not."""

    async def post(self, name: str, raw_number: str) -> None:
        """Respond with what was decided first, once it is durable."""
        author = self.authorize(name)
        body = self.require(decode_body(self.read_body(), DecisionRequest))
        number = read_decimal(raw_number)
        if number is None:
            raise Refused(reject(Code.NOT_FOUND))
        room = await self.open_existing_room(name)
        done = await self.services.moderation.decide(
            room, number, body.approve, author, body.reason
        )
        self.write_json(self.require(done))
