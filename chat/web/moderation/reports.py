"""Reports: which comments users have reported to moderators."""

from __future__ import annotations

from chat.core.budgets import address_key
from chat.core.moderation.addresses import hash_address
from chat.core.reject import Code, reject
from chat.core.requests import ReportRequest, decode_body
from chat.web.handler import Refused
from chat.web.moderation.handler import ModeratorHandler, read_decimal


class ReportsHandler(ModeratorHandler):
    """``GET`` and ``POST /api/rooms/{room}/reports``: what was reported; report a comment."""

    async def get(self, name: str) -> None:
        """Respond with the reported comments, to moderators."""
        self.authorize(name)
        room = await self.open_existing_room(name)
        self.write_json(self.require(await self.services.moderation.list_reports(room)))

    async def post(self, name: str) -> None:
        """Respond 204 once the report is durable; anybody may report."""
        token = self.read_token()
        author = None if token is None else self.require(self.services.tokens.verify(token, name))
        body = self.require(decode_body(self.read_body(), ReportRequest))
        room = await self.open_existing_room(name)
        who = None if author is None else author.author
        reporter = self._address_id() if who is None else who.user
        rejection = await self.services.moderation.report(
            room, body.seq, reporter, who, body.reason
        )
        if rejection is not None:
            raise Refused(rejection)
        self.set_status(204)

    def _address_id(self) -> str:
        """Return what identifies who reports without a token: the address, as a hash."""
        network = address_key(self.address) or "loopback"
        return "address " + hash_address(self.services.hub.address_secret, network)


class ReportHandler(ModeratorHandler):
    """``DELETE /api/rooms/{room}/reports/{seq}``: dismiss the reports on a comment."""

    async def delete(self, name: str, raw_seq: str) -> None:
        """Respond 204 once they are dismissed; again, the same."""
        author = self.authorize(name)
        seq = read_decimal(raw_seq)
        if seq is None:
            raise Refused(reject(Code.NOT_FOUND))
        room = await self.open_existing_room(name)
        rejection = await self.services.moderation.dismiss(room, seq, author)
        if rejection is not None:
            raise Refused(rejection)
        self.set_status(204)
