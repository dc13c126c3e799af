"""A server that sends what the test scripts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application
from tornado.websocket import WebSocketHandler

WELCOME = {
    "type": "welcome",
    "room": "room",
    "epoch": "e",
    "seq": 5,
    "user": "g-1",
    "name": "Somebody",
    "role": "viewer",
    "settings": {},
    "viewers": 1,
    "recovered": True,
    "entries": [],
}

Refuse = Callable[["ScriptedServer", WebSocketHandler], dict[str, Any] | None]
Act = Callable[["ScriptedServer", WebSocketHandler, dict[str, Any] | None], None]


class ScriptedServer:
    """``act`` is called after each welcome, with None, and with each message of the client.

    ``refuse`` returns the error that a handshake is refused with: its fields and ``status``.
    ``dials`` are the queries of the handshakes, ``dialled_at`` their times in seconds, and
    ``asked`` is the number of plain requests for the same address.
    """

    def __init__(self, act: Act | None = None, refuse: Refuse | None = None) -> None:
        self.dials: list[dict[str, str]] = []
        self.dialled_at: list[float] = []
        self._dialled = asyncio.Event()
        self.asked = 0
        self.messages: list[dict[str, Any]] = []
        self._act = act
        self._refuse = refuse

    async def __aenter__(self) -> ScriptedServer:
        self._server = HTTPServer(Application([(r"/ws/.*", _Handler, {"script": self})]))
        listener, self.port = bind_unused_port()
        self._server.add_socket(listener)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.stop()
        await self._server.close_all_connections()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws/room"

    def note_dial(self, query: dict[str, str]) -> None:
        """Take a handshake."""
        self.dials.append(query)
        self.dialled_at.append(time.monotonic())
        self._dialled.set()

    async def wait_for_dials(self, count: int) -> None:
        """Wait until so many handshakes came."""
        while len(self.dials) < count:
            self._dialled.clear()
            await self._dialled.wait()

    def refuse(self, handler: WebSocketHandler) -> dict[str, Any] | None:
        """Return why a handshake is refused."""
        return self._refuse(self, handler) if self._refuse else None

    def act(self, handler: WebSocketHandler, message: dict[str, Any] | None) -> None:
        """Do what comes after a message."""
        if message is not None:
            self.messages.append(message)
        if self._act:
            self._act(self, handler, message)


class _Handler(WebSocketHandler):
    def initialize(self, script: ScriptedServer) -> None:
        self._script = script

    def check_origin(self, _origin: str) -> bool:
        return True

    async def get(self, *args: Any, **kwargs: Any) -> None:
        is_handshake = self.request.headers.get("Upgrade", "").lower() == "websocket"
        if is_handshake:
            query = {name: self.get_query_argument(name) for name in self.request.query_arguments}
            self._script.note_dial(query)
        else:
            self._script.asked += 1
        error = self._script.refuse(self)
        if error is None and not is_handshake:
            error = {"status": 426, "code": "not_a_websocket"}
        if error is not None:
            self.set_status(error.pop("status"))
            self.finish({"error": {"message": "", "retry_after": None, **error}})
            return
        await super().get(*args, **kwargs)

    def open(self, *_args: str, **_kwargs: str) -> None:
        session = f"session {len(self._script.dials)}"
        self.write_message({**WELCOME, "session": session})
        self._script.act(self, None)

    def on_message(self, message: str | bytes) -> None:
        self._script.act(self, json.loads(message))


def send(handler: WebSocketHandler, kind: str, **fields: Any) -> None:
    """Send a message of this type."""
    handler.write_message(json.dumps({"type": kind, **fields}))
