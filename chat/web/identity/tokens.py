"""The one verifier for every kind of token: users' tokens, guests' sessions, room permits.

All kinds are JWTs (RFC 7519) signed with the server's secret. The audience tells them apart, so
that none is accepted in place of another. docs/identity.md describes those that sites sign.
"""

from __future__ import annotations

import re
from math import inf
from random import Random
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from chat.core.comment import Role, clean_name, guest_name
from chat.core.explain import DECODE_ERRORS
from chat.core.reject import Code, Rejection, reject
from chat.core.room_state import GUEST_PREFIX, Author
from chat.core.wire import MAX_USER_LENGTH
from chat.environment import SYSTEM_CLOCK, SYSTEM_RANDOM, Clock
from chat.web.identity.keys import Keys

AUDIENCE = "danmaku"
PERMIT_AUDIENCE = "danmaku:room"
ANY_ROOM = "*"
GUEST_NAMES = 1 << 32

_GUEST = re.compile(re.escape(GUEST_PREFIX) + r"[!-~]{1,62}")

# Seconds since 1970; the bound keeps every value an exact whole number.
Time = Annotated[float, Meta(ge=-(2**53), le=2**53)]


class Verified(Struct, frozen=True):
    """The user that a valid token names, and when it expires, in Unix seconds; sessions do not."""

    author: Author
    expires_at: float = inf


class _Audience(Struct, frozen=True):
    # A list of one is allowed, too (RFC 7519, section 4.1.3).
    aud: str | list[str] | None = None


class _SessionClaims(Struct, frozen=True):
    iss: Literal["danmaku"]
    sub: str
    name: str


class _UserClaims(Struct, frozen=True):
    sub: str
    name: str
    role: Role
    room: str
    exp: Time
    nbf: Time = -(2**53)


class _PermitClaims(Struct, frozen=True):
    iss: Literal["danmaku"]
    room: str
    exp: Time


_audience = msgspec.json.Decoder(_Audience)
_session_claims = msgspec.json.Decoder(_SessionClaims)
_user_claims = msgspec.json.Decoder(_UserClaims)
_permit_claims = msgspec.json.Decoder(_PermitClaims)


def check_user(user: str) -> bool:
    """Return whether a token may name this user: visible characters, and no guest's id."""
    return (
        1 <= len(user) <= MAX_USER_LENGTH
        and user.isprintable()
        and not user.startswith(GUEST_PREFIX)
    )


class Tokens:
    """Verifies tokens, and signs those of users."""

    def __init__(
        self, keys: Keys, clock: Clock = SYSTEM_CLOCK, random: Random = SYSTEM_RANDOM
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._random = random

    def now(self) -> float:
        """Return the time by which tokens expire, in Unix seconds."""
        return self._clock.unix_ms() / 1000

    def sign(self, author: Author, room: str, seconds: float) -> str:
        """Return a user's token for a room, or for every room with ``*``."""
        return self._keys.sign(
            {
                "aud": AUDIENCE,
                "sub": author.user,
                "name": author.name,
                "role": author.role,
                "room": room,
                "exp": int(self.now() + seconds),
            }
        )

    def verify(self, token: str, room: str) -> Verified | Rejection:
        """Return the user that a token names in a room, or the guest that a session names."""
        return self._verify(token, room, accepts_permits=False)

    def authorize(self, token: str | None, room: str, *roles: Role) -> Author | Rejection:
        """Return the user who may do what only these roles may do in a room."""
        if not token:
            return reject(Code.TOKEN_NEEDED)
        verified = self._verify(token, room, accepts_permits=Role.HOST in roles)
        if isinstance(verified, Rejection):
            return verified
        return verified.author if verified.author.role in roles else reject(Code.NOT_ALLOWED)

    def _verify(self, token: str, room: str, *, accepts_permits: bool) -> Verified | Rejection:
        payload = self._keys.read(token)
        if payload is None:
            return reject(Code.BAD_TOKEN)
        try:
            audience = _audience.decode(payload).aud
            if audience is None:
                return self._read_session(_session_claims.decode(payload))
            if audience in (AUDIENCE, [AUDIENCE]):
                return self._read_user(_user_claims.decode(payload), room)
            if audience == PERMIT_AUDIENCE and accepts_permits:
                return self._read_permit(_permit_claims.decode(payload), room)
        except DECODE_ERRORS:
            pass
        return reject(Code.BAD_TOKEN)

    def _read_user(self, claims: _UserClaims, room: str) -> Verified | Rejection:
        now = self.now()
        if not check_user(claims.sub) or now < claims.nbf:
            return reject(Code.BAD_TOKEN)
        if now >= claims.exp:
            return reject(Code.TOKEN_EXPIRED)
        if claims.room not in (room, ANY_ROOM):
            return reject(Code.WRONG_ROOM)
        name = clean_name(claims.name)
        if isinstance(name, Rejection):
            return name
        return Verified(Author(claims.sub, name, claims.role), claims.exp)

    def _read_session(self, claims: _SessionClaims) -> Verified | Rejection:
        if not _GUEST.fullmatch(claims.sub):
            return reject(Code.BAD_TOKEN)
        name = clean_name(claims.name)
        if isinstance(name, Rejection):
            # An earlier version, or another program with the secret, has signed a name that is not
            # valid now.
            name = guest_name(self._random.randrange(GUEST_NAMES))
        return Verified(Author(claims.sub, name))

    def _read_permit(self, claims: _PermitClaims, room: str) -> Verified | Rejection:
        """Return who changes a room with a permit of earlier versions; for one release."""
        if self.now() >= claims.exp:
            return reject(Code.TOKEN_EXPIRED)
        if claims.room != room:
            return reject(Code.WRONG_ROOM)
        return Verified(Author(PERMIT_AUDIENCE, "danmaku room", Role.HOST), claims.exp)
