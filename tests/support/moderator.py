"""A moderator who uses the HTTP API."""

from __future__ import annotations

import json
from typing import Any

from chat.core.comment import Role
from tests.support.api import Answer, Api
from tests.support.room_admin import sign_token
from tests.support.server_process import ServerProcess


class Moderator:
    """A moderator of one room, with a token of their own."""

    def __init__(
        self,
        server: ServerProcess,
        room: str,
        role: Role = Role.MODERATOR,
        name: str = "Mia",
        user: str = "mia",
    ) -> None:
        self.token = sign_token(server, room, role, name, user)
        self._room = f"/api/rooms/{room}"
        self._api = Api(server)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        headers.setdefault("Authorization", f"Bearer {self.token}")
        return self._api.call(method, f"{self._room}/{path}", data, **headers)

    def retract(self, seq: int, **body: Any) -> Answer:
        return self.call("DELETE", f"comments/{seq}", body or None)

    def clear(self, **body: Any) -> Answer:
        return self.call("POST", "clear", body)

    def read_log(self, **query: int) -> list[dict[str, Any]]:
        parameters = "&".join(f"{name}={value}" for name, value in query.items())
        log: list[dict[str, Any]] = self.call("GET", f"log?{parameters}").json["log"]
        return log

    def close(self) -> None:
        self._api.close()
