"""Changes a room's settings over HTTP, with a token signed by the server's secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from chat.core.comment import Role
from chat.core.room_state import Author
from chat.web.identity.keys import Keys
from chat.web.identity.tokens import Tokens
from tests.support.server_process import ServerProcess


def secret_of(server: ServerProcess) -> bytes:
    return Path(f"{server.database}.secret").read_bytes().strip()


def sign_token(
    server: ServerProcess,
    room: str,
    role: Role = Role.HOST,
    name: str = "Ann",
    user: str = "ann",
    seconds: float = 60,
) -> str:
    author = Author(user, name, role)
    return Tokens(Keys([secret_of(server)])).sign(author, room, seconds)


def change_settings(server: ServerProcess, room: str, **fields: Any) -> dict[str, Any]:
    """Change a room's settings, and return the server's answer."""
    request = Request(
        f"{server.url}/api/rooms/{room}/settings",
        json.dumps(fields).encode(),
        {"Authorization": f"Bearer {sign_token(server, room)}"},
        method="PATCH",
    )
    with urlopen(request, timeout=15) as response:
        return json.load(response)
