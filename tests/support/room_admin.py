"""Changes a room's settings over HTTP, with a token signed by the server's secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from chat.web.identity.room_tokens import RoomTokens
from tests.support.server_process import ServerProcess


def secret_of(server: ServerProcess) -> bytes:
    return Path(f"{server.database}.secret").read_bytes().strip()


def sign_room_token(server: ServerProcess, room: str) -> str:
    return RoomTokens(secret_of(server)).sign(room)


def change_settings(server: ServerProcess, room: str, **fields: Any) -> dict[str, Any]:
    """Change a room's settings, and return the server's answer."""
    request = Request(
        f"{server.url}/api/rooms/{room}/settings",
        json.dumps(fields).encode(),
        {"Authorization": f"Bearer {sign_room_token(server, room)}"},
        method="PATCH",
    )
    with urlopen(request, timeout=15) as response:
        return json.load(response)
