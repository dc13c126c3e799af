"""The HTTP API as a script uses it: one connection, kept open."""

from __future__ import annotations

import http.client
import json
from typing import Any, NamedTuple
from urllib.parse import urlencode

from tests.support.server_process import ServerProcess


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers.get_content_type() == "application/json", self.body[:200]
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error, which has its whole shape."""
        error = self.json["error"]
        assert error.keys() == {"code", "message", "retry_after"}
        assert error["message"].endswith(".")
        return error


class Api:
    """One connection to a server; who polls over it is one viewer."""

    def __init__(self, server: ServerProcess, timeout: float = 30) -> None:
        where = ("127.0.0.1", server.port)
        self._connection = (
            http.client.HTTPSConnection(*where, timeout=timeout, context=server.trust)
            if server.trust
            else http.client.HTTPConnection(*where, timeout=timeout)
        )

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send a request; headers are given as ``If_None_Match="…"``."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self._connection.request(method, path, body, named)
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def begin(self, method: str, path: str, length: int, **headers: str) -> Answer:
        """Send only the head of a request with a body of this length; return the response."""
        self._connection.putrequest(method, path)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": str(length), **named}.items():
            self._connection.putheader(name, value)
        self._connection.endheaders()
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def entries(self, room: str, **query: Any) -> Answer:
        return self.get(f"/api/rooms/{room}/entries?{urlencode(query)}")

    def post(self, room: str, text: str = "hi", **fields: Any) -> Answer:
        return self.post_body(room, json.dumps({"text": text, **fields}).encode())

    def post_body(self, room: str, body: bytes, **headers: str) -> Answer:
        return self.call("POST", f"/api/rooms/{room}/comments", body, **headers)

    def close(self) -> None:
        self._connection.close()


def state_of(server: ServerProcess, room: str) -> dict[str, Any]:
    """Return a room as the API shows it."""
    api = Api(server)
    state = api.get(f"/api/rooms/{room}").json
    api.close()
    return state
