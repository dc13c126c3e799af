"""Rejections and close codes: each has a code and a sentence, rejections also an HTTP status.

A rejection is a returned value; exceptions are for broken assumptions only.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Rejection(msgspec.Struct, frozen=True):
    """Why something was not done; ``retry_after`` is in seconds, None if a retry cannot succeed."""

    code: str
    message: str
    retry_after: float | None = None

    @property
    def status(self) -> int:
        """The HTTP status for this code."""
        return REJECTIONS[self.code].status


class _Rule(NamedTuple):
    status: int
    message: str


REJECTIONS: dict[str, _Rule] = {
    # the message or request is invalid
    "bad_json": _Rule(400, "This is not valid JSON. Send one JSON object in UTF-8."),
    "not_an_object": _Rule(
        400, 'A message must be one JSON object, such as {"type":"post","text":"hi"}.'
    ),
    "binary": _Rule(400, "Binary frames are not supported. Send JSON in a text frame."),
    "unknown_type": _Rule(
        400, "The type is missing or unknown. Use post, auth, rename, pause, resume or ping."
    ),
    "missing_field": _Rule(400, "A required field is missing: {detail}."),
    "bad_field": _Rule(400, "A field is invalid: {detail}."),
    "bad_color": _Rule(400, 'The color must have the form "#rrggbb", such as "#ff8800".'),
    "bad_room": _Rule(
        400,
        "A room name consists of 1 to 64 characters (a-z, 0-9, - and _) "
        "and begins with a letter or digit.",
    ),
    "bad_cursor": _Rule(
        400, "The cursor is invalid. Send epoch:seq as you received it from this room."
    ),
    "bad_parameter": _Rule(400, "A query parameter is invalid: {detail}."),
    "too_large": _Rule(413, "The message is larger than 8 KiB."),
    "bad_token": _Rule(
        401, "The token was not signed by this server. Continue without one as a new guest."
    ),
    "token_needed": _Rule(
        401, "This requires a token that is signed with this server's secret and has not expired."
    ),
    "not_allowed": _Rule(403, "This token does not permit this."),
    # the text or name is not acceptable
    "text_empty": _Rule(422, "The text is empty or has no visible characters. Write something."),
    "text_too_long": _Rule(
        422,
        "The text is too long. The limit is 100 characters, 1,000 bytes and 8 marks per character.",
    ),
    "name_empty": _Rule(422, "The name is empty or has no visible characters. Choose another."),
    "name_too_long": _Rule(
        422,
        "The name is too long. The limit is 24 characters, 200 bytes and 8 marks per character.",
    ),
    # temporary: retry later
    "too_fast": _Rule(429, "You are posting too fast. Wait a moment and send it again."),
    "slow_mode": _Rule(
        429, "This room is in slow mode. Send it again when your waiting time is over."
    ),
    "busy": _Rule(503, "The server is too busy right now. Send it again in a moment."),
    "not_kept": _Rule(
        503, "This could not be stored, so nobody has seen it. Send it again in a moment."
    ),
    "not_read": _Rule(503, "Stored comments cannot be read right now. Try again in a moment."),
    "restarting": _Rule(503, "The server is restarting. Connect again in a moment."),
    "full": _Rule(503, "The server is full. Try again in a moment."),
    # not available on this server or at this address
    "no_such_room": _Rule(404, "This room does not exist on this server."),
    "forbidden_origin": _Rule(
        403, "Pages of this origin may not use this server. The operator can allow the origin."
    ),
    "not_found": _Rule(404, "There is nothing at this address."),
    "method_not_allowed": _Rule(405, "This address does not support this method."),
    "bad_request": _Rule(400, "The request is malformed. Send valid HTTP."),
    "not_a_websocket": _Rule(
        426, "This address accepts only WebSocket, version 13. Connect with a WebSocket client."
    ),
    "internal": _Rule(500, "The server failed and has logged the error. Try again in a moment."),
}


def reject(code: str, *, retry_after: float | None = None, detail: str = "") -> Rejection:
    """Return the rejection of a code; ``detail`` completes the sentence where it has a gap."""
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
SILENT = Closing(4009, "This connection did not answer a ping.")
NOT_READ = Closing(4010, "Missed comments cannot be read right now.")
TOO_MANY_ERRORS = Closing(4500, "Too many invalid messages in a row.")
