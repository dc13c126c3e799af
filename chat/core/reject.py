"""Every way of saying no: a code, a sentence, an HTTP status, and whether to try again.

A rejection is a returned value; exceptions are for broken assumptions only.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec


class Rejection(msgspec.Struct, frozen=True):
    """Why something was not done; ``retry_after`` seconds, None when trying again cannot work."""

    code: str
    message: str
    retry_after: float | None = None

    @property
    def status(self) -> int:
        """The HTTP status that says the same."""
        return REJECTIONS[self.code].status


class _Rule(NamedTuple):
    status: int
    message: str


REJECTIONS: dict[str, _Rule] = {
    # what was sent is not a message of this protocol
    "bad_json": _Rule(400, "This is not valid JSON. Send one JSON object in UTF-8."),
    "not_an_object": _Rule(
        400, 'A message must be one JSON object, such as {"type":"post","text":"hi"}.'
    ),
    "binary": _Rule(400, "Binary frames are not understood. Send JSON as a text frame."),
    "unknown_type": _Rule(
        400, "The message has no known type. Use post, auth, rename, pause, resume or ping."
    ),
    "missing_field": _Rule(400, "The message lacks a field that it needs: {detail}."),
    "bad_field": _Rule(400, "A field of the message is wrong: {detail}."),
    "bad_color": _Rule(400, 'The color must be written as "#rrggbb", such as "#ff8800".'),
    "bad_room": _Rule(
        400,
        "A room name has 1 to 64 of the characters a-z, 0-9, - and _, "
        "and begins with a letter or digit.",
    ),
    "bad_cursor": _Rule(
        400, "The cursor must be written as epoch:seq, as an earlier answer of this room gave it."
    ),
    "bad_parameter": _Rule(400, "A parameter of the address is wrong: {detail}."),
    "too_large": _Rule(413, "The message is larger than 8 KiB."),
    "bad_token": _Rule(
        401, "This token was not signed by this server. Go on without one to be a new guest."
    ),
    "token_needed": _Rule(
        401, "This needs a token that was signed for it with this server's secret, a moment ago."
    ),
    "not_allowed": _Rule(403, "This token does not allow that here."),
    # what was said may not be shown
    "text_empty": _Rule(422, "The text is empty or has nothing to see in it. Write something."),
    "text_too_long": _Rule(
        422, "The text is too long. 100 characters and 1,000 bytes are the most."
    ),
    "name_empty": _Rule(422, "The name is empty or has nothing to see in it. Choose another."),
    "name_too_long": _Rule(422, "The name is too long. 24 characters and 200 bytes are the most."),
    # not now
    "too_fast": _Rule(429, "You are posting too fast. Wait a moment and send it again."),
    "slow_mode": _Rule(
        429, "This room is in slow mode. Wait until you may speak again, and send it then."
    ),
    "busy": _Rule(503, "The server has more comments than it can keep right now. Send it again."),
    "not_kept": _Rule(
        503, "The comment could not be kept, so it was not shown. Send it again in a moment."
    ),
    "not_read": _Rule(
        503, "What was said here before could not be read just now. Try again in a moment."
    ),
    "restarting": _Rule(503, "The server is restarting. Connect again in a moment."),
    "full": _Rule(503, "The server is full. Try again in a moment."),
    # not here
    "no_such_room": _Rule(404, "This room is not open on this server."),
    "forbidden_origin": _Rule(
        403, "Pages of this site may not use this server. Its operator can allow it by its origin."
    ),
    "not_found": _Rule(404, "There is nothing at this address."),
    "method_not_allowed": _Rule(405, "This address does not answer to this method."),
    "bad_request": _Rule(400, "This request could not be understood."),
    "not_a_websocket": _Rule(
        426, "This address speaks WebSocket, version 13. Connect with a WebSocket client."
    ),
    "internal": _Rule(500, "Something went wrong here. It was logged; try again in a moment."),
}


def reject(code: str, *, retry_after: float | None = None, detail: str = "") -> Rejection:
    """Build the rejection of a code; ``detail`` fills the sentence's gap where it has one."""
    message = REJECTIONS[code].message
    if "{detail}" in message:
        message = message.format(detail=detail)
    return Rejection(code, message, retry_after)


class Closing(NamedTuple):
    """Why a connection ends: a code (4000-4499 try again, 4500-4999 do not) and a sentence."""

    code: int
    message: str


RESTARTING = Closing(1012, "The server is restarting.")
FULL = Closing(1013, "The server is full.")
TOO_LARGE = Closing(1009, "A message was larger than 8 KiB.")
SLOW = Closing(4008, "This connection took nothing for too long.")
SILENT = Closing(4009, "This connection did not answer a ping.")
NOT_READ = Closing(4010, "What was missed could not be read just now.")
TOO_MANY_ERRORS = Closing(4500, "Too many messages in a row were not understood.")
