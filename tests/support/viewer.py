"""A viewer over WebSocket, by the ``websocket-client`` package."""

from __future__ import annotations

import itertools
import json
import time
from types import TracebackType
from typing import Any, ClassVar
from urllib.parse import urlencode

import websocket

from tests.support.server_process import ServerProcess

SECONDS = 15


class Viewer:
    """Follows a room, and asserts that its batches leave no gap.

    ``entries`` is everything that was delivered, the welcome's entries first; ``messages`` is
    everything that was read. ``header`` goes along with every upgrade.
    """

    header: ClassVar[list[str]] = []

    def __init__(
        self,
        server: ServerProcess,
        room: str,
        *,
        origin: str | None = None,
        prefix: str = "",
        **query: Any,
    ) -> None:
        address = f"{server.ws_url}{prefix}/ws/{room}" + (f"?{urlencode(query)}" if query else "")
        self.socket = websocket.create_connection(
            address,
            timeout=SECONDS,
            origin=origin,
            suppress_origin=origin is None,
            header=self.header,
            sslopt={"context": server.trust} if server.trust else None,
        )
        self.messages: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        self.head = 0
        self._taken = 0
        self._numbers = itertools.count()
        self.first = self.read()

    @property
    def welcome(self) -> dict[str, Any]:
        assert self.first["type"] == "welcome", self.first
        return self.first

    @property
    def cursor(self) -> str:
        return f"{self.welcome['epoch']}:{self.head}"

    def read(self) -> dict[str, Any]:
        """Return the next message."""
        opcode, data = self.socket.recv_data()
        assert opcode == websocket.ABNF.OPCODE_TEXT, (opcode, data)
        message = json.loads(data)
        self.messages.append(message)
        if message["type"] == "welcome":
            self.head = message["seq"]
            self.entries += message["entries"]
        elif message["type"] == "batch":
            seqs = [entry["seq"] for entry in message["entries"]]
            assert message["first"] == self.head + 1
            if "thinned" in message:  # some were left out on purpose, and counted
                assert message["last"] - message["first"] + 1 == len(seqs) + message["thinned"]
            else:
                assert seqs == list(range(message["first"], message["last"] + 1))
            self.head = message["last"]
            self.entries += message["entries"]
        return message

    def wait_for(self, *types: str) -> dict[str, Any]:
        """Return the next message of one of these types."""
        while True:
            message = self.read()
            if message["type"] in types:
                return message

    def take(self, count: int) -> list[dict[str, Any]]:
        """Return the next entries that were not taken yet."""
        while len(self.entries) < self._taken + count:
            self.read()
        taken = self.entries[self._taken : self._taken + count]
        self._taken += count
        return taken

    def send(self, type: str, **fields: Any) -> None:
        self.socket.send(json.dumps({"type": type, **fields}))

    def post(self, text: str, **fields: Any) -> dict[str, Any]:
        """Post, and return the ack, held or reject."""
        self.send("post", text=text, **fields)
        return self.wait_for("ack", "held", "reject")

    def post_many(self, texts: list[str]) -> None:
        """Post one after the other without waiting, then wait for all acks.

        What a busy server rejects is sent again.
        """
        unanswered = {f"many-{next(self._numbers)}": text for text in texts}
        for ref, text in unanswered.items():
            self.send("post", text=text, ref=ref)
        while unanswered:
            answer = self.wait_for("ack", "reject")
            if answer["type"] == "reject":
                assert answer["code"] == "busy", answer
                time.sleep(answer["retry_after"])
                self.send("post", text=unanswered[answer["ref"]], ref=answer["ref"])
            else:
                del unanswered[answer["ref"]]

    def read_close(self) -> int:
        """Return the code of the close frame, which comes next."""
        opcode, data = self.socket.recv_data()
        assert opcode == websocket.ABNF.OPCODE_CLOSE, (opcode, data)
        return int.from_bytes(data[:2], "big")

    def close(self) -> None:
        self.socket.close(timeout=SECONDS)

    def __enter__(self) -> Viewer:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()
