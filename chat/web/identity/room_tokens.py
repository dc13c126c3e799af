"""Room tokens: a request with one may change a room's settings. The server's secret signs them.

A room token (JWT, RFC 7519) has an audience and a room, and is valid for a minute. It is never
accepted as a guest's session, nor a session as a room token: a session has no audience.
"""

from __future__ import annotations

import time

import jwt

from chat.core.reject import Code, Rejection, reject
from chat.web.identity.guests import ALGORITHM, ISSUER

_AUDIENCE = "danmaku:room"
_LIFETIME_SECONDS = 60
_LEEWAY_SECONDS = 30


class RoomTokens:
    """Signs and verifies room tokens."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, room: str) -> str:
        """Return a token to change a room, valid for a minute."""
        claims = {
            "iss": ISSUER,
            "aud": _AUDIENCE,
            "room": room,
            "exp": int(time.time()) + _LIFETIME_SECONDS,
        }
        return jwt.encode(claims, self._secret, ALGORITHM)

    def verify(self, token: str | None, room: str) -> Rejection | None:
        """Return why a token does not allow changing a room; None if it does."""
        try:
            claims = jwt.decode(
                token or "",
                self._secret,
                [ALGORITHM],
                audience=_AUDIENCE,
                issuer=ISSUER,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["iss", "aud", "exp", "room"]},
            )
        except (jwt.MissingRequiredClaimError, jwt.InvalidAudienceError):
            return reject(Code.NOT_ALLOWED)  # signed by this server for another purpose
        except (jwt.PyJWTError, ValueError):
            return reject(Code.TOKEN_NEEDED)
        return None if claims["room"] == room else reject(Code.NOT_ALLOWED)
