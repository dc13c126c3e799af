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
from chat.core.room_settings import RoomSettings

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


class Pong(_Outgoing, frozen=True, tag="pong"):
    """The reply to ``ping``."""


class Bye(_Outgoing, frozen=True, tag="bye"):
    """The connection ends; reconnect after ``reconnect_after`` seconds, or not at all if null."""

    code: int
    message: str
    reconnect_after: float | None


Outgoing = Welcome | Batch | Ack | Held | Reject | Viewers | Skip | Staff | Identity | Pong | Bye

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


# --- HTTP ---------------------------------------------------------------------------------------


class Page(Struct, frozen=True):
    """The response to ``GET /api/rooms/{room}/entries``: the entries ``first..last``.

    ``head`` is the newest seq of the room; ``first`` is ``last + 1`` when there are none.
    """

    epoch: str
    first: int
    last: int
    head: int
    recovered: bool
    reason: str | None
    entries: Raw


class Posted(Struct, frozen=True, omit_defaults=True):
    """The response to an accepted ``POST /api/rooms/{room}/comments``.

    ``session`` is present if the request had none or another name: the token with which the
    client remains the same guest.
    """

    ref: str | None
    epoch: str
    seq: int
    dup: bool = False
    session: str = ""


class PostHeld(Struct, frozen=True, omit_defaults=True):
    """The response, with status 202, to a ``POST /api/rooms/{room}/comments`` that is held.

    A retry with the same ref tells what became of it. ``session`` is as in ``Posted``.
    """

    ref: str | None
    held: bool = msgspec.field(default_factory=lambda: True)
    session: str = ""


class HeldItem(Struct, frozen=True):
    """A comment that waits for a moderator; ``at`` is when it was sent, in Unix milliseconds."""

    id: int
    user: str
    name: str
    text: str
    at: int
    cause: str


class HeldList(Struct, frozen=True):
    """The response to ``GET /api/rooms/{room}/held``: what waits, oldest first."""

    held: list[HeldItem]


class DecisionDone(Struct, frozen=True):
    """The response to ``POST /api/rooms/{room}/held/{id}``: what was decided first.

    ``seq`` is the comment's if it was approved, otherwise the newest of the room.
    """

    id: int
    approved: bool
    epoch: str
    seq: int


class Guest(Struct, frozen=True):
    """The response to ``POST /api/session``: a new guest, and its session."""

    user: str
    name: str
    role: Role
    session: str


class SettingsChanged(Struct, frozen=True):
    """The response to ``PATCH /api/rooms/{room}/settings``: all settings, and the entry's place."""

    epoch: str
    seq: int
    settings: RoomSettings


class Done(Struct, frozen=True):
    """The response to an act of a moderator: the place of the entry that it caused."""

    epoch: str
    seq: int


class Log(Struct, frozen=True):
    """The response to ``GET /api/rooms/{room}/log``: acts, oldest first."""

    log: Raw


class Sanction(Struct, frozen=True):
    """One sanction; ``at`` and ``until`` are in Unix milliseconds, None if it is for good.

    ``address``: whether it also applies to the guests of the user's address.
    """

    id: int
    user: str
    kind: str
    until: int | None
    address: bool
    reason: str
    by: str
    at: int


class SanctionList(Struct, frozen=True):
    """The response to ``GET /api/rooms/{room}/sanctions``: those in force, oldest first."""

    sanctions: list[Sanction]


class UserCard(Struct, frozen=True):
    """The response to ``GET /api/rooms/{room}/users/{user}``; ``comments`` are oldest first.

    ``first_seen`` is in Unix milliseconds, None without comments. ``name`` is empty if there are
    none, or all were removed.
    """

    user: str
    name: str
    first_seen: int | None
    comments: Raw
    sanctions: list[Sanction]
    reports: int


class Failure(Struct, frozen=True):
    """The body of an HTTP error."""

    error: Rejection


class RoomCard(Struct, frozen=True):
    """One live room in ``GET /api/rooms``; ``last`` are its newest entries, oldest first."""

    room: str
    viewers: int
    title: str
    last: Raw


class RoomList(Struct, frozen=True):
    """The response to ``GET /api/rooms``; ``now`` is the server's clock in Unix milliseconds."""

    rooms: Raw
    now: int


class RoomInfo(Struct, frozen=True):
    """The response to ``GET /api/rooms/{room}``."""

    room: str
    epoch: str
    seq: int
    viewers: int
    settings: Raw
