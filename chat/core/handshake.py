"""The WebSocket handshake (RFC 6455, section 4; RFC 7692 for compression): headers in, values out.

Both ways to upgrade use it: Tornado's handler, with headers that Tornado has parsed, and the fast
path, which parses the head of the simplest and most frequent request itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping

from msgspec import Struct

from chat.core.query import read_query
from chat.core.reject import Code, Rejection, reject
from chat.core.wire import Cursor, parse_cursor, parse_room

HISTORY_DEFAULT = 50
MAX_HISTORY = 300
PREFIX = "/ws/"
PARAMETERS = ("name", "cursor", "history")

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_COUNT = re.compile(r"[0-9]{1,3}")
_HEADER = rb"[!-9;-~]+:[^\r\n\0]*\r\n"
_HEAD = rb"GET (?:%s)?(/ws/[\x21-\x7e]{1,2000}) HTTP/1\.1\r\n((?:%s)+)\r\n"


class Upgrade(Struct, frozen=True):
    """A viewer's request to follow a room over WebSocket."""

    room: str
    key: str
    name: str | None
    cursor: Cursor | None
    recent: int
    deflate: bool


def compile_head(base_path: str = "") -> re.Pattern[bytes]:
    """Return the pattern that ``parse_head`` takes, for a server under this path and without it."""
    return re.compile(_HEAD % (re.escape(base_path.encode()), _HEADER))


_ROOT_HEAD = compile_head()


def parse_head(
    data: bytes, pattern: re.Pattern[bytes] = _ROOT_HEAD
) -> tuple[str, dict[str, str]] | None:
    """Parse the head of a plain request for ``/ws/``: target, and headers by lower-case name.

    The target begins with ``/ws/``, without the base path. None for anything else, also for valid
    but unusual requests: a folded or repeated header, bytes after the head. None also if the head
    is not complete.
    """
    match = pattern.fullmatch(data)
    if match is None:
        return None
    headers: dict[str, str] = {}
    lines = match[2].decode("latin-1").split("\r\n")
    lines.pop()
    for line in lines:
        name, _, value = line.partition(":")
        name = name.lower()
        if name in headers:
            return None
        headers[name] = value.strip(" \t")
    return match[1].decode("ascii"), headers


def read_upgrade(
    target: str, headers: Mapping[str, str], version: str = "HTTP/1.1"
) -> Upgrade | Rejection:
    """Check the handshake of a request; ``headers`` may be looked up by lower-case name."""
    rejection = _check_handshake(headers, version)
    return read_target(target, headers) if rejection is None else rejection


def _check_handshake(headers: Mapping[str, str], version: str) -> Rejection | None:
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        # A body would be read as frames.
        return reject(Code.BAD_REQUEST)
    key = headers.get("sec-websocket-key", "")
    connection = headers.get("connection", "").lower()
    if (
        version != "HTTP/1.1"
        or headers.get("upgrade", "").lower() != "websocket"
        or "upgrade" not in (token.strip() for token in connection.split(","))
        or headers.get("sec-websocket-version") != "13"
        or not _is_key(key)
    ):
        return reject(Code.NOT_A_WEBSOCKET)
    return None


def read_target(target: str, headers: Mapping[str, str]) -> Upgrade | Rejection:
    """Return the parameters of a request for ``/ws/``, whether or not it is a handshake."""
    path, _, raw_query = target.partition("?")
    query = read_query(raw_query, PARAMETERS)
    if isinstance(query, Rejection):
        return query
    room = parse_room(path.removeprefix(PREFIX))
    if isinstance(room, Rejection):
        return room
    cursor = parse_cursor(query["cursor"]) if "cursor" in query else None
    if isinstance(cursor, Rejection):
        return cursor
    recent = _read_history(query.get("history"))
    if isinstance(recent, Rejection):
        return recent
    return Upgrade(
        room=room,
        key=headers.get("sec-websocket-key", ""),
        name=query.get("name"),
        cursor=cursor,
        recent=recent,
        deflate=_accepts_deflate(headers.get("sec-websocket-extensions", "")),
    )


def accept_key(key: str) -> bytes:
    """Return the Sec-WebSocket-Accept of a Sec-WebSocket-Key (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest())


def build_upgrade_response(upgrade: Upgrade) -> bytes:
    """Return the head of the response that accepts an upgrade."""
    accept = accept_key(upgrade.key)
    extensions = _DEFLATE if upgrade.deflate else b""
    return b"%s%s\r\n%s\r\n" % (_SWITCHING, accept, extensions)


_SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: "
)
# No context takeover in either direction: a frame can be compressed once for all viewers, and no
# viewer needs a compressor of its own.
_DEFLATE = (
    b"Sec-WebSocket-Extensions: permessage-deflate; "
    b"server_no_context_takeover; client_no_context_takeover\r\n"
)
# A value may be quoted (RFC 6455, section 9.1). A window has 8 to 15 bits, and may be left to us.
_BITS = "(?:[89]|1[0-5])"
_OFFERED = re.compile(
    "(?:server|client)_no_context_takeover"
    f'|client_max_window_bits(?:[ \t]*=[ \t]*(?:{_BITS}|"{_BITS}"))?'
)


def _accepts_deflate(extensions: str) -> bool:
    """Return whether one of the client's offers can be accepted as it is."""
    return any(map(_is_acceptable, extensions.split(",")))


def _is_acceptable(offer: str) -> bool:
    """Return whether an offer is valid (RFC 7692, section 7.1) and can be accepted as it is.

    One that limits the server's window cannot: the window is the same for all.
    """
    extension, *parameters = (part.strip(" \t") for part in offer.split(";"))
    if extension != "permessage-deflate" or not all(map(_OFFERED.fullmatch, parameters)):
        return False
    names = [parameter.partition("=")[0].rstrip(" \t") for parameter in parameters]
    return len(set(names)) == len(names)


def _read_history(raw: str | None) -> int | Rejection:
    if raw is None:
        return HISTORY_DEFAULT
    if _COUNT.fullmatch(raw) and int(raw) <= MAX_HISTORY:
        return int(raw)
    return reject(Code.BAD_PARAMETER, detail=f"history must be a number from 0 to {MAX_HISTORY}")


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False
