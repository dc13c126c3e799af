"""Removing comments: one, all, or those of a user."""

from __future__ import annotations

from chat.core.reject import Code, reject
from chat.core.requests import ClearRequest, RetractRequest, decode_body
from chat.web.handler import Refused
from chat.web.moderation.handler import ModeratorHandler, read_decimal


class CommentHandler(ModeratorHandler):
    """``DELETE /api/rooms/{room}/comments/{seq}``: retract a comment."""

    async def delete(self, name: str, raw_seq: str) -> None:
        """Respond with the place of the retraction once it is durable."""
        author = self.authorize(name)
        body = self.require(decode_body(self.read_body() or b"{}", RetractRequest))
        seq = read_decimal(raw_seq)
        if seq is None:
            raise Refused(reject(Code.NOT_FOUND))
        room = await self.open_existing_room(name)
        moderation = self.services.moderation
        self.write_json(self.require(await moderation.retract(room, seq, author, body.reason)))


class ClearHandler(ModeratorHandler):
    """``POST /api/rooms/{room}/clear``: remove all comments, or those of a user."""

    async def post(self, name: str) -> None:
        """Respond with the place of the entry once it is durable."""
        author = self.authorize(name)
        body = self.require(decode_body(self.read_body() or b"{}", ClearRequest))
        room = await self.open_existing_room(name)
        moderation = self.services.moderation
        self.write_json(self.require(await moderation.clear(room, body.user, author, body.reason)))
