"""The log of what moderators and hosts did in a room."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from chat.core.reject import Code, reject
from chat.core.responses import Log
from chat.web.handler import Refused
from chat.web.moderation.handler import ModeratorHandler

LOG_DEFAULT = 100
MAX_LOG = 1_000
MAX_NUMBER = 2**53 - 1  # the largest that JavaScript and float have exactly
LINES = "application/x-ndjson"

_bodies = msgspec.json.Decoder(list[Raw])


class LogHandler(ModeratorHandler):
    """``GET /api/rooms/{room}/log?after=&limit=``: the acts after a number, or the newest.

    ``format=jsonl`` or the header ``Accept`` asks for JSON lines.
    """

    PARAMETERS = ("after", "limit", "format")

    async def get(self, name: str) -> None:
        """Respond with a JSON object, or with a line for each act if the client accepts that."""
        self.authorize(name)
        limit = int(self.read_number("limit", LOG_DEFAULT, 1, MAX_LOG, whole=True))
        has_after = "after" in self.query
        after = int(self.read_number("after", 0, 0, MAX_NUMBER, whole=True))
        wants_lines = self._wants_lines()
        room = await self.open_existing_room(name)
        moderation = self.services.moderation
        log = self.require(await moderation.read_log(room, after if has_after else None, limit))
        self.set_header("Vary", "Origin, Accept")
        if not wants_lines:
            self.write_json(Log(log))
            return
        self.set_header("Content-Type", LINES)
        self.set_header("Cache-Control", "no-store")
        self.finish(b"".join(bytes(act) + b"\n" for act in _bodies.decode(log)))

    def _wants_lines(self) -> bool:
        wanted = self.query.get("format")
        if wanted not in (None, "json", "jsonl"):
            raise Refused(reject(Code.BAD_PARAMETER, detail="format must be json or jsonl"))
        return wanted == "jsonl" or (wanted is None and self.request.headers.get("Accept") == LINES)
