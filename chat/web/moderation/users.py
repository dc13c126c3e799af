"""What moderators are told about a user."""

from __future__ import annotations

from chat.web.moderation.handler import ModeratorHandler


class UserHandler(ModeratorHandler):
    """``GET /api/rooms/{room}/users/{user}``: name, first comment, last comments, sanctions."""

    async def get(self, name: str, user: str) -> None:
        """Respond with what is known about a user who posted lately."""
        self.authorize(name)
        room = await self.open_existing_room(name)
        self.write_json(self.require(await self.services.moderation.find_user(room, user)))
