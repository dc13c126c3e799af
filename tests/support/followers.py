"""One interface over the three transports, for suites that run over all of them."""

from __future__ import annotations

import json
from typing import Any, Protocol

from tests.support.api import Api
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

Entry = dict[str, Any]


class Follower(Protocol):
    """Follows a room; made with a server, a room and an optional cursor.

    ``first`` are the entries it was given when it came, and ``recovered`` and ``reason`` what was
    said of its cursor. ``cursor`` is where it stands.
    """

    first: list[Entry]
    recovered: bool
    reason: str | None
    cursor: str

    def __init__(self, server: ServerProcess, room: str, cursor: str | None = None) -> None: ...

    def take(self, count: int) -> list[Entry]:
        """Return the next entries, waiting for them."""

    def post(self, text: str, **fields: Any) -> dict[str, Any]:
        """Post over this transport and return the ack."""

    def close(self) -> None: ...


class WebSocketFollower:
    """Over WebSocket."""

    def __init__(self, server: ServerProcess, room: str, cursor: str | None = None) -> None:
        self._viewer = Viewer(server, room, **({} if cursor is None else {"cursor": cursor}))
        welcome = self._viewer.welcome
        self.first = self._viewer.take(len(welcome["entries"]))
        self.recovered = welcome["recovered"]
        self.reason = welcome.get("reason")
        self.cursor = self._viewer.cursor

    def take(self, count: int) -> list[Entry]:
        taken = self._viewer.take(count)
        # What was read and not taken counts as missed, as with the others.
        self.cursor = (
            f"{self._viewer.welcome['epoch']}:{taken[-1]['seq']}" if taken else self.cursor
        )
        return taken

    def post(self, text: str, **fields: Any) -> dict[str, Any]:
        answer = self._viewer.post(text, **fields)
        assert answer["type"] == "ack", answer
        return answer

    def close(self) -> None:
        self._viewer.close()


class Polling:
    """Over HTTP: asks again and again, and comes back at once when nothing is there."""

    wait = 0

    def __init__(self, server: ServerProcess, room: str, cursor: str | None = None) -> None:
        self._api = Api(server)
        self._room = room
        page = self._ask({} if cursor is None else {"after": cursor})
        self.first = page["entries"]
        self.recovered = page["recovered"]
        self.reason = page["reason"]

    def _ask(self, query: dict[str, Any]) -> dict[str, Any]:
        answer = self._api.entries(self._room, **query)
        assert answer.status == 200, answer.body
        page = answer.json
        seqs = [entry["seq"] for entry in page["entries"]]
        assert seqs == list(range(page["first"], page["last"] + 1))
        self.cursor = f"{page['epoch']}:{page['last']}"
        return page

    def take(self, count: int) -> list[Entry]:
        taken: list[Entry] = []
        while len(taken) < count:
            missing = min(300, count - len(taken))
            page = self._ask({"after": self.cursor, "wait": self.wait, "limit": missing})
            assert page["recovered"], page
            taken += page["entries"]
        return taken

    def post(self, text: str, **fields: Any) -> dict[str, Any]:
        answer = self._api.post_body(self._room, json.dumps({"text": text, **fields}).encode())
        assert answer.status == 201, answer.body
        return answer.json

    def close(self) -> None:
        self._api.close()


class LongPolling(Polling):
    """Over HTTP: the answer comes as soon as there is an entry."""

    wait = 25


TRANSPORTS: dict[str, type[Follower]] = {
    "short polling": Polling,
    "long polling": LongPolling,
    "websocket": WebSocketFollower,
}
