"""Who may change a room: whoever holds a permit, which the server's secret signed a moment ago.

A permit is a token (JWT, RFC 7519) of one audience and one room. It never passes for a guest's
session, nor a session for it: a session has no audience, and is refused with one.
"""

from __future__ import annotations

import time

import jwt

from chat.core.reject import Rejection, reject

_ALGORITHM = "HS256"
_ISSUER = "danmaku"
_AUDIENCE = "danmaku:room"
_LIFETIME_SECONDS = 60
_LEEWAY_SECONDS = 30


class Permits:
    """Signs permits and checks them."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, room: str) -> str:
        """Return a permit to change a room, good for a minute."""
        claims = {
            "iss": _ISSUER,
            "aud": _AUDIENCE,
            "room": room,
            "exp": int(time.time()) + _LIFETIME_SECONDS,
        }
        return jwt.encode(claims, self._secret, _ALGORITHM)

    def check(self, token: str | None, room: str) -> Rejection | None:
        """Return why a token does not allow to change a room; None when it does."""
        try:
            claims = jwt.decode(
                token or "",
                self._secret,
                [_ALGORITHM],
                audience=_AUDIENCE,
                issuer=_ISSUER,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["iss", "aud", "exp", "room"]},
            )
        except (jwt.MissingRequiredClaimError, jwt.InvalidAudienceError):
            return reject("not_allowed")  # our own signature, under something else
        except (jwt.PyJWTError, ValueError):
            return reject("token_needed")
        return None if claims["room"] == room else reject("not_allowed")
