"""What a room's host does: sets the room, through the server's own door."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from chat.web.identity.room_tokens import RoomTokens
from tests.serving import ServerProcess


def secret_of(server: ServerProcess) -> bytes:
    return Path(f"{server.database}.secret").read_bytes().strip()


def permit(server: ServerProcess, room: str) -> str:
    return RoomTokens(secret_of(server)).sign(room)


def choose(server: ServerProcess, room: str, **fields: Any) -> dict[str, Any]:
    """Change a room's settings, and return the server's answer."""
    request = Request(
        f"{server.url}/api/rooms/{room}/settings",
        json.dumps(fields).encode(),
        {"Authorization": f"Bearer {permit(server, room)}"},
        method="PATCH",
    )
    with urlopen(request, timeout=15) as response:
        return json.load(response)
