"""Rejections and close codes: each has a code and a sentence, rejections also an HTTP status.

A rejection is a returned value; exceptions are for broken assumptions only.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec import UNSET, UnsetType


class Code(StrEnum):
    """The reject codes of the protocol; docs/protocol.md has a table of them."""

    BAD_JSON = "bad_json"
    NOT_AN_OBJECT = "not_an_object"
    BINARY = "binary"
    UNKNOWN_TYPE = "unknown_type"
    MISSING_FIELD = "missing_field"
    BAD_FIELD = "bad_field"
    BAD_COLOR = "bad_color"
    BAD_ROOM = "bad_room"
    BAD_CURSOR = "bad_cursor"
    BAD_PARAMETER = "bad_parameter"
    TOO_LARGE = "too_large"
    HEAD_TOO_LARGE = "head_too_large"
    BAD_TOKEN = "bad_token"
    TOKEN_EXPIRED = "token_expired"
    TOKEN_NEEDED = "token_needed"
    WRONG_ROOM = "wrong_room"
    NOT_ALLOWED = "not_allowed"
    MUTED = "muted"
    BANNED = "banned"
    FROZEN = "frozen"
    SIGN_IN_NEEDED = "sign_in_needed"
    TEXT_EMPTY = "text_empty"
    TEXT_TOO_LONG = "text_too_long"
    LINKS = "links"
    REPEATED = "repeated"
    FILTERED = "filtered"
    BAD_FILTER = "bad_filter"
    NOT_APPROVED = "not_approved"
    NAME_EMPTY = "name_empty"
    NAME_TOO_LONG = "name_too_long"
    NAME_TAKEN = "name_taken"
    TOO_FAST = "too_fast"
    SLOW_MODE = "slow_mode"
    TOO_MANY = "too_many"
    BUSY = "busy"
    NOT_KEPT = "not_kept"
    NOT_READ = "not_read"
    RESTARTING = "restarting"
    FULL = "full"
    NO_SUCH_ROOM = "no_such_room"
    FORBIDDEN_ORIGIN = "forbidden_origin"
    FORBIDDEN_HOST = "forbidden_host"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    BAD_REQUEST = "bad_request"
    NOT_A_WEBSOCKET = "not_a_websocket"
    INTERNAL = "internal"


class Rejection(msgspec.Struct, frozen=True):
    """Why something was not done; ``retry_after`` is in seconds, None if a retry cannot succeed.

    ``position``: which item of a list is invalid, from 0.
    """

    code: Code
    message: str
    retry_after: float | None = None
    position: int | UnsetType = UNSET

    @property
    def status(self) -> int:
        """The HTTP status for this code."""
        return REJECTIONS[self.code].status


class _Rule(NamedTuple):
    status: int
    message: str


REJECTIONS: dict[Code, _Rule] = {
    # the message or request is invalid
    Code.BAD_JSON: _Rule(400, "This is not valid JSON. Send one JSON object in UTF-8."),
    Code.NOT_AN_OBJECT: _Rule(
        400, 'A message must be one JSON object, such as {"type":"post","text":"hi"}.'
    ),
    Code.BINARY: _Rule(400, "Binary frames are not supported. Send JSON in a text frame."),
    Code.UNKNOWN_TYPE: _Rule(
        400, "The type is missing or unknown. Use post, auth, rename, pause, resume or ping."
    ),
    Code.MISSING_FIELD: _Rule(400, "A required field is missing: {detail}."),
    Code.BAD_FIELD: _Rule(400, "A field is invalid: {detail}."),
    Code.BAD_COLOR: _Rule(400, 'The color must have the form "#rrggbb", such as "#ff8800".'),
    Code.BAD_ROOM: _Rule(
        400,
        "A room name consists of 1 to 64 characters (a-z, 0-9, - and _) "
        "and begins with a letter or digit.",
    ),
    Code.BAD_CURSOR: _Rule(
        400, "The cursor is invalid. Send epoch:seq as you received it from this room."
    ),
    Code.BAD_PARAMETER: _Rule(400, "A query parameter is invalid: {detail}."),
    Code.TOO_LARGE: _Rule(413, "The message is larger than 8 KiB."),
    Code.HEAD_TOO_LARGE: _Rule(431, "The head of the request is larger than 16 KiB."),
    Code.BAD_TOKEN: _Rule(
        401, "The token is malformed, or was not signed with this server's secret."
    ),
    Code.TOKEN_EXPIRED: _Rule(401, "The token has expired. Get a new one from its issuer."),
    Code.TOKEN_NEEDED: _Rule(401, "This requires a token. Send it as Authorization: Bearer."),
    Code.WRONG_ROOM: _Rule(403, "The token is for another room."),
    Code.NOT_ALLOWED: _Rule(403, "The token does not permit this."),
    # the room's rules
    Code.MUTED: _Rule(403, "A moderator has muted you: you may not post in this room now."),
    Code.BANNED: _Rule(403, "A moderator has banned you: you may not post in this room."),
    Code.FROZEN: _Rule(403, "Only moderators may post in this room now."),
    Code.SIGN_IN_NEEDED: _Rule(403, "Only users who are signed in may post in this room now."),
    Code.LINKS: _Rule(422, "Links are not accepted in this room."),
    Code.REPEATED: _Rule(422, "Somebody has just posted the same text. Write something else."),
    Code.FILTERED: _Rule(422, "This room's filters do not accept this text."),
    Code.BAD_FILTER: _Rule(422, "Filter {detail}. Nothing was changed."),
    Code.NOT_APPROVED: _Rule(422, "A moderator has not approved this comment."),
    # the text or name is not acceptable
    Code.TEXT_EMPTY: _Rule(422, "The text is empty or has no visible characters. Write something."),
    Code.TEXT_TOO_LONG: _Rule(
        422,
        "The text is too long. At most {detail} characters, 1,000 bytes, "
        "and few marks per character.",
    ),
    Code.NAME_EMPTY: _Rule(422, "The name is empty or has no visible characters. Choose another."),
    Code.NAME_TOO_LONG: _Rule(
        422,
        "The name is too long. At most 24 characters, 200 bytes, and few marks per character.",
    ),
    Code.NAME_TAKEN: _Rule(
        422, "Somebody of this room's staff has this name, or one like it. Choose another."
    ),
    # temporary: retry later
    Code.TOO_FAST: _Rule(429, "You are posting too fast. Wait a moment and send it again."),
    Code.SLOW_MODE: _Rule(
        429, "This room is in slow mode. Send it again when your waiting time is over."
    ),
    Code.TOO_MANY: _Rule(
        429, "Too many requests or messages from you or your network. Wait, then try again."
    ),
    Code.BUSY: _Rule(503, "The server is too busy right now. Send it again in a moment."),
    Code.NOT_KEPT: _Rule(
        503, "This could not be stored, so nobody has seen it. Send it again in a moment."
    ),
    Code.NOT_READ: _Rule(503, "Stored comments cannot be read right now. Try again in a moment."),
    Code.RESTARTING: _Rule(503, "The server is restarting. Connect again in a moment."),
    Code.FULL: _Rule(503, "The server is full. Try again in a moment."),
    # not available on this server or at this address
    Code.NO_SUCH_ROOM: _Rule(404, "This room does not exist on this server."),
    Code.FORBIDDEN_ORIGIN: _Rule(
        403,
        "Pages of this origin may not use this server{detail}. The operator can allow the origin.",
    ),
    Code.FORBIDDEN_HOST: _Rule(
        403, "This server does not serve this host name. The operator can allow the name."
    ),
    Code.NOT_FOUND: _Rule(404, "There is nothing at this address."),
    Code.METHOD_NOT_ALLOWED: _Rule(405, "This address does not support this method."),
    Code.BAD_REQUEST: _Rule(400, "The request is malformed. Send valid HTTP."),
    Code.NOT_A_WEBSOCKET: _Rule(
        426, "This address accepts only WebSocket, version 13. Connect with a WebSocket client."
    ),
    Code.INTERNAL: _Rule(500, "The server failed and has logged the error. Try again in a moment."),
}


def reject(code: Code, *, retry_after: float | None = None, detail: str = "") -> Rejection:
    """Return the rejection of a code; ``detail`` fills ``{detail}`` in the sentence."""
    message = REJECTIONS[code].message
    if "{detail}" in message:
        message = message.format(detail=detail)
    return Rejection(code, message, retry_after)


class Closing(NamedTuple):
    """Why the server closes a connection: a close code and a sentence.

    After 4000-4499 a client reconnects; after 4500-4999 it does not.
    """

    code: int
    message: str


RESTARTING = Closing(1012, "The server is restarting.")
FULL = Closing(1013, "The server is full.")
TOO_LARGE = Closing(1009, "A message was larger than 8 KiB.")
SLOW = Closing(4008, "This connection read nothing for too long.")
SILENT = Closing(4009, "This connection did not reply to a ping.")
TOO_MANY = Closing(4011, "Too many messages. Reconnect later and send fewer.")
NOT_READ = Closing(4010, "Missed comments cannot be read right now.")
BANNED = Closing(4503, "A moderator has banned you from this room.")
TOO_MANY_ERRORS = Closing(4500, "Too many invalid messages in a row.")
