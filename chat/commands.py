"""The commands: ``backup`` copies a database, ``room`` changes a room, ``token`` signs a token.

A command prints its result, or one sentence about an error, and returns the exit code. ``room``
uses the server's HTTP API, never its database.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import ssl
import sys
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from chat.archive.file import ArchiveError, copy_database
from chat.command_line import Command
from chat.core.comment import Role, clean_name
from chat.core.reject import Code, Rejection
from chat.core.room_state import Author
from chat.core.wire import parse_room
from chat.settings import Settings
from chat.web.identity.secret import SecretError, read_secret
from chat.web.identity.tokens import ANY_ROOM, Tokens, check_user

RESPONSE_SECONDS = 10.0
OPERATOR_SECONDS = 60.0
TOKEN_HOURS = 12.0
MAX_TOKEN_HOURS = 10_000

_OPERATOR = Author("danmaku:room", "danmaku room", Role.HOST)
_TOKEN_USAGE = "danmaku token --room demo --role host --name Ann [--user ann] [--hours 2]"
_UNITS = {"delay": "s", "slow_mode": "s", "unique_seconds": "s"}
_NUMBERS = {*_UNITS, "max_length", "report_threshold"}
_SWITCH = {"on": True, "off": False}
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,2})?", re.IGNORECASE)


class CommandError(Exception):
    """A command failed; the message is one sentence, ``code`` the exit code."""

    def __init__(self, sentence: str, code: int = 1) -> None:
        super().__init__(sentence)
        self.code = code


def run_command(command: Command) -> int:
    """Run a command; return the exit code."""
    settings, options = command.settings, command.options
    try:
        print(_COMMANDS[command.name](settings, **options))
    except (ArchiveError, SecretError) as error:
        print(f"danmaku: {error}", file=sys.stderr)
        return 1
    except CommandError as error:
        print(f"danmaku: {error}", file=sys.stderr)
        return error.code
    return 0


def _back_up(settings: Settings, file: str) -> str:
    source = settings.database_path
    if not file:
        raise CommandError("A file is required: danmaku backup FILE [--database URL].", 2)
    if not source:
        raise CommandError(
            "A database in memory (--database sqlite://) has no file that could be copied.", 2
        )
    copy_database(source, file)
    return f"{os.path.abspath(source)} was copied to {os.path.abspath(file)}."


def _set_room(settings: Settings, room: str, server: str, **given: str | None) -> str:
    if isinstance(rejection := parse_room(room), Rejection):
        raise CommandError(rejection.message)
    address = f"/api/rooms/{room}"
    patch = {name: _read_value(name, raw) for name, raw in given.items() if raw is not None}
    if not patch:
        return _describe(room, _ask(settings, server, "GET", address)["settings"])
    tokens = Tokens(read_secret(settings.secret, settings.database_path))
    token = tokens.sign(_OPERATOR, room, OPERATOR_SECONDS)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    changed = _ask(settings, server, "PATCH", address + "/settings", json.dumps(patch), headers)
    return _describe(room, changed["settings"])


def _sign_token(
    settings: Settings, room: str, role: str, name: str, user: str, hours: str, server: str
) -> str:
    for option, value in (("--room", room), ("--role", role), ("--name", name)):
        if not value:
            raise CommandError(f"{option} is required: {_TOKEN_USAGE}.", 2)
    if room != ANY_ROOM and isinstance(rejection := parse_room(room), Rejection):
        raise CommandError(rejection.message)
    if role not in tuple(Role):
        raise CommandError(f"--role must be one of {', '.join(Role)}, not {role}.")
    cleaned = clean_name(name)
    if isinstance(cleaned, Rejection):
        raise CommandError(cleaned.message)
    if not check_user(user or cleaned):
        raise CommandError(
            "The user's id (--user) must have 1 to 64 printable characters, and not begin with g-."
        )
    try:
        seconds = float(hours or TOKEN_HOURS) * 3600
    except ValueError:
        seconds = 0
    if not 0 < seconds <= MAX_TOKEN_HOURS * 3600:
        raise CommandError(f"--hours must be a number above 0, at most {MAX_TOKEN_HOURS}.")
    tokens = Tokens(read_secret(settings.secret, settings.database_path))
    token = tokens.sign(Author(user or cleaned, cleaned, Role(role)), room, seconds)
    return f"{token}\n{make_link(settings, server or settings.url_at(settings.port), room, token)}"


def make_link(settings: Settings, url: str, room: str, token: str) -> str:
    """Return the address of a room's page that signs in whoever opens it.

    Browsers do not send what follows the ``#``, so the token is in no log. A token for every room
    leads to the first one.
    """
    name = room if room != ANY_ROOM else first_room(settings)
    return f"{url.rstrip('/')}/r/{name}#token={token}"


def first_room(settings: Settings) -> str:
    """Return the name of a room that exists, to begin with."""
    return settings.rooms[0] if settings.rooms else "demo"


_COMMANDS: dict[str, Callable[..., str]] = {
    "backup": _back_up,
    "room": _set_room,
    "token": _sign_token,
}


def _read_value(name: str, raw: str) -> Any:
    """Return a value for JSON; the server rejects a number that is not one."""
    if raw == "":
        return None
    if name == "hold_all" and raw in _SWITCH:
        return _SWITCH[raw]
    if name not in _NUMBERS or not _NUMBER.fullmatch(raw):
        return raw
    value = float(raw)
    return int(value) if value.is_integer() else value


def _describe(room: str, chosen: Mapping[str, Any]) -> str:
    lines = [
        f"  {name.replace('_', '-')}: {'on' if value is True else value}"
        f"{' ' + _UNITS[name] if name in _UNITS else ''}"
        for name, value in chosen.items()
    ]
    return "\n".join([f"{room}:", *lines]) if lines else f"{room} has no settings."


def _ask(
    settings: Settings,
    server: str,
    method: str,
    path: str,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Any:
    url = server.rstrip("/") or settings.url_at(settings.port)
    try:
        with contextlib.closing(_connect(settings, url, is_own=not server)) as connection:
            connection.request(method, urlsplit(url).path + path, body, dict(headers or {}))
            response = connection.getresponse()
            reply = json.loads(response.read())
            sentence = "" if response.status == 200 else reply["error"]["message"]
    except ssl.SSLError as error:
        raise CommandError(f"Cannot verify the certificate of {url}: {error.reason}.") from None
    except OSError as error:
        raise CommandError(
            f"No server answers at {url} ({error.strerror or error}). "
            "Start it, or give its address with --server."
        ) from None
    except (http.client.HTTPException, ValueError, LookupError, TypeError):
        raise CommandError(f"{url} is not a danmaku server.") from None
    if sentence and reply["error"].get("code") == Code.BAD_TOKEN:
        raise CommandError(
            f"The server at {url} has a different secret. Use the server's --secret or --database."
        )
    if sentence and reply["error"].get("code") == Code.TOKEN_EXPIRED:
        raise CommandError(f"The clocks of this machine and of the server at {url} differ.")
    if sentence:
        raise CommandError(str(sentence))
    return reply


def _connect(settings: Settings, url: str, *, is_own: bool) -> http.client.HTTPConnection:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise CommandError(f"--server must be a URL such as http://127.0.0.1:8888, not {url}.")
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=RESPONSE_SECONDS)
    try:
        context = ssl.create_default_context(cafile=settings.certfile if is_own else None)
    except OSError:  # SSLError is one
        raise CommandError(f"{settings.certfile} contains no certificate in PEM format.") from None
    if is_own:
        # Trust exactly this certificate; it seldom names the machine's own address.
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(host, port, timeout=RESPONSE_SECONDS, context=context)
