"""The bodies of HTTP responses; docs/protocol.md and docs/moderation.md describe them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Raw, Struct

from chat.core.comment import Role
from chat.core.moderation.filters import Action, Filter
from chat.core.reject import Rejection
from chat.core.room_settings import RoomSettings


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


class ReportItem(Struct, frozen=True):
    """A reported comment; ``count`` is of open reports, ``reasons`` are the most frequent ones.

    ``at`` is when it was posted and ``last`` when it was last reported, in Unix milliseconds.
    """

    seq: int
    user: str
    name: str
    text: str
    at: int
    count: int
    reasons: Sequence[str]
    last: int


class ReportList(Struct, frozen=True):
    """The response to ``GET /api/rooms/{room}/reports``: most reports first, at most 200."""

    reports: list[ReportItem]


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
    """One live room in ``GET /api/rooms``; ``last`` are its newest comments, oldest first."""

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


class FiltersChanged(Struct, frozen=True):
    """The response to ``PUT /api/rooms/{room}/filters``: the act's number, how many there are."""

    id: int
    count: int


class Tried(Struct, frozen=True):
    """The response to ``POST /api/rooms/{room}/filters/try``; no action if nothing matched."""

    action: Action | None
    matches: Sequence[Filter]
    text: str
