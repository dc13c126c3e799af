"""The protocol's messages, version 1, and their JSON; docs/protocol.md describes them.

Decoding never raises for what a peer sent: it returns a ``Rejection``. Bodies of entries are
encoded once, when they are numbered, and are raw JSON from then on.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from chat.core.comment import WHITE, Mode, Role, Size
from chat.core.entry import join_bodies
from chat.core.explain import DECODE_ERRORS, explain
from chat.core.reject import Code, Rejection, reject

MAX_MESSAGE_BYTES = 8 * 1024
MAX_REF_LENGTH = 64
MAX_USER_LENGTH = 64

Color = Annotated[str, Meta(pattern=r"^#[0-9a-fA-F]{6}\Z")]
# No control characters: SQLite may end a string at a NUL, and two refs would become equal.
Ref = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_REF_LENGTH,
        pattern=r"^[^\x00-\x1f]*\Z",
        description=f"a string of 1 to {MAX_REF_LENGTH} characters without control characters",
    ),
]

_ROOM_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_CURSOR = re.compile(r"([0-9a-z]{1,32}):(0|[1-9][0-9]{0,17})")


class Cursor(Struct, frozen=True):
    """The position from which a client resumes: its last seq, in the numbering of ``epoch``."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}:{self.seq}"


BEGINNING = Cursor("0", 0)
"""The beginning of any room; also the position of a room that does not exist yet."""


def parse_room(raw: str) -> str | Rejection:
    """Check a room's name."""
    return raw if _ROOM_NAME.fullmatch(raw) else reject(Code.BAD_ROOM)


def parse_cursor(raw: str) -> Cursor | Rejection:
    """Read ``epoch:seq``."""
    match = _CURSOR.fullmatch(raw)
    return Cursor(match[1], int(match[2])) if match else reject(Code.BAD_CURSOR)


# --- viewer to server ---------------------------------------------------------------------------


class _Incoming(Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """Unknown fields are errors, so that a misspelt option is not ignored silently."""


class Post(_Incoming, frozen=True, tag="post"):
    """Post a comment. ``ref`` is the viewer's own id for this post; the ack repeats it."""

    text: str
    ref: Ref | None = None
    mode: Mode = Mode.SCROLL
    color: Color = WHITE
    size: Size = Size.NORMAL


class Auth(_Incoming, frozen=True, tag="auth"):
    """Sign in with a token: a user's, or the ``session`` of an earlier welcome."""

    token: str


class Rename(_Incoming, frozen=True, tag="rename"):
    """Change the name."""

    name: str


class Pause(_Incoming, frozen=True, tag="pause"):
    """Stop deliveries until ``resume``."""


class Resume(_Incoming, frozen=True, tag="resume"):
    """Continue deliveries from where the pause began."""


class Ping(_Incoming, frozen=True, tag="ping"):
    """Ask for a ``pong``."""


Incoming = Post | Auth | Rename | Pause | Resume | Ping
INCOMING = (Post, Auth, Rename, Pause, Resume, Ping)


_incoming = msgspec.json.Decoder(Incoming)


def decode(data: bytes) -> Incoming | Rejection:
    """Decode one message of a viewer."""
    try:
        message: Incoming = _incoming.decode(data)
        return message
    except DECODE_ERRORS:
        return explain(data, INCOMING)


def find_ref(data: bytes) -> str | None:
    """Return the ``ref`` of a message that could not be decoded, for its reject."""
    try:
        message = msgspec.json.decode(data)
    except DECODE_ERRORS:
        return None
    ref = message.get("ref") if isinstance(message, dict) else None
    return ref if isinstance(ref, str) and len(ref) <= MAX_REF_LENGTH else None


# --- server to viewer ---------------------------------------------------------------------------


class _Outgoing(Struct, frozen=True, tag_field="type"):
    pass


class Welcome(_Outgoing, frozen=True, tag="welcome", kw_only=True):
    """The first message: the viewer's identity, the room's state, and the missed entries."""

    room: str
    epoch: str
    seq: int
    user: str
    name: str
    role: Role
    session: str
    settings: Raw
    viewers: int
    recovered: bool
    reason: str | UnsetType = UNSET
    entries: Raw


class Batch(_Outgoing, frozen=True, tag="batch", kw_only=True):
    """Entries ``first..last``; ``thinned`` is how many of these were omitted on purpose."""

    epoch: str
    first: int
    last: int
    thinned: int | UnsetType = UNSET
    entries: Raw


class Ack(_Outgoing, frozen=True, tag="ack", omit_defaults=True):
    """The post ``ref`` is stored under the number ``seq``; ``dup`` if it already was."""

    ref: str | None
    epoch: str
    seq: int
    dup: bool = False


class Held(_Outgoing, frozen=True, tag="held"):
    """The post ``ref`` is stored and waits for a moderator; an ack or a reject follows later."""

    ref: str | None


class Reject(_Outgoing, frozen=True, tag="reject"):
    """A message was rejected."""

    ref: str | None
    code: str
    message: str
    retry_after: float | None


class Viewers(_Outgoing, frozen=True, tag="viewers"):
    """The number of viewers has changed."""

    count: int


class Skip(_Outgoing, frozen=True, tag="skip"):
    """The entries ``first..last`` will not be sent; ``why`` is slow or trimmed.

    ``settings`` are the room's current ones: the skipped entries may include a change of them.
    """

    first: int
    last: int
    why: Literal["slow", "trimmed"]
    settings: Raw


class Staff(_Outgoing, frozen=True, tag="staff"):
    """The acts ``first..last`` of the room's staff stream; sent to moderators and hosts only."""

    first: int
    last: int
    entries: Raw


class Identity(_Outgoing, frozen=True, tag="identity", omit_defaults=True):
    """The viewer's identity has changed.

    ``session`` includes a guest's new name; a user with a token has none. ``reason`` is a code, if
    the server changed the identity by itself.
    """

    user: str
    name: str
    role: Role
    session: str = ""
    reason: str = ""


class Private(_Outgoing, frozen=True, tag="private"):
    """Entries that this viewer was sent as ``retracted`` before it had signed in."""

    entries: Raw


class Pong(_Outgoing, frozen=True, tag="pong"):
    """The reply to ``ping``."""


class Bye(_Outgoing, frozen=True, tag="bye"):
    """The connection ends; reconnect after ``reconnect_after`` seconds, or not at all if null."""

    code: int
    message: str
    reconnect_after: float | None


Outgoing = (
    Welcome | Batch | Ack | Held | Reject | Viewers | Skip | Staff | Identity | Private | Pong | Bye
)

_encoder = msgspec.json.Encoder()


def encode(message: Struct) -> bytes:
    """Encode a message, or the body of an HTTP response, as JSON."""
    return _encoder.encode(message)


def encode_batch(epoch: str, first: int, last: int, bodies: list[bytes], thinned: int = 0) -> bytes:
    """Encode a batch that covers ``first..last``."""
    batch = Batch(
        epoch=epoch, first=first, last=last, thinned=thinned or UNSET, entries=join_bodies(bodies)
    )
    return _encoder.encode(batch)


def encode_reject(ref: str | None, rejection: Rejection) -> bytes:
    """Encode a rejection as the reply to the message ``ref``."""
    retry_after = rejection.retry_after
    return _encoder.encode(Reject(ref, rejection.code, rejection.message, retry_after))
