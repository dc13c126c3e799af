"""The bodies of HTTP requests; docs/protocol.md and docs/moderation.md describe them.

As in ``wire.py``, decoding never raises for what a peer sent: it returns a ``Rejection``.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from chat.core.comment import WHITE, Mode, Size
from chat.core.explain import DECODE_ERRORS, explain
from chat.core.moderation.acts import SanctionKind
from chat.core.moderation.filters import Filter
from chat.core.reject import Rejection
from chat.core.wire import MAX_USER_LENGTH, Color, Post, Ref

MAX_MINUTES = 10 * 366 * 24 * 60

Body = TypeVar("Body", bound=Struct)


class HttpPost(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /api/rooms/{room}/comments``: a post, and the author's name."""

    text: str
    ref: Ref | None = None
    mode: Mode = Mode.SCROLL
    color: Color = WHITE
    size: Size = Size.NORMAL
    name: str | None = None
    type: Literal["post"] = "post"

    def to_post(self) -> Post:
        """Return the post alone."""
        return Post(self.text, self.ref, self.mode, self.color, self.size)


class GuestRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /api/session``: the name of a new guest."""

    name: str | None = None


class RetractRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``DELETE /api/rooms/{room}/comments/{seq}``; it may be empty."""

    reason: str | None = None


class ClearRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /api/rooms/{room}/clear``: whose comments, null for everybody's."""

    user: Annotated[str, Meta(min_length=1, max_length=MAX_USER_LENGTH)] | None = None
    reason: str | None = None


class SanctionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /api/rooms/{room}/sanctions``; without ``minutes`` it is for good."""

    user: Annotated[str, Meta(min_length=1, max_length=MAX_USER_LENGTH)]
    kind: SanctionKind
    minutes: Annotated[int, Meta(ge=1, le=MAX_MINUTES)] | None = None
    address: bool = False
    reason: str | None = None


class DecisionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /api/rooms/{room}/held/{id}``."""

    approve: bool
    reason: str | None = None


class ReportRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /api/rooms/{room}/reports``."""

    seq: Annotated[int, Meta(ge=1, le=2**53)]
    reason: str | None = None


class FiltersRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``PUT /api/rooms/{room}/filters``, and of the response to GET."""

    filters: list[Filter]


class TryRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /api/rooms/{room}/filters/try``."""

    text: str


@cache
def _find_decoder(kind: type[Body]) -> msgspec.json.Decoder[Body]:
    return msgspec.json.Decoder(kind)


def decode_body(data: bytes, kind: type[Body]) -> Body | Rejection:
    """Decode the body of a request."""
    try:
        body: Body = _find_decoder(kind).decode(data)
        return body
    except DECODE_ERRORS:
        return explain(data, [kind])
