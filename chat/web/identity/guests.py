"""Guests: the users that this server creates itself, and their sessions.

A guest's session is a token (JWT, RFC 7519) that this server signed with HS256; no other algorithm
is accepted. It names a user and no rights, so it does not expire: it is valid as long as the
secret.
"""

from __future__ import annotations

import hashlib
import re
from random import Random

import jwt
import msgspec

from chat.core.comment import clean_name, guest_name
from chat.core.reject import Code, Rejection, reject
from chat.core.room_state import Author
from chat.core.wire import HttpPost
from chat.environment import SYSTEM_RANDOM

ALGORITHM = "HS256"
ISSUER = "danmaku"
_NAMES = 1 << 32
_USER = re.compile(r"[!-~]{1,64}")


class GuestSessions:
    """Creates guests, signs their sessions, and verifies them."""

    def __init__(self, secret: bytes, random: Random = SYSTEM_RANDOM) -> None:
        self._secret = secret
        self._random = random
        # Keyed, so that a guest's id does not reveal an address.
        self._address_key = hashlib.blake2b(secret, person=b"addresses").digest()

    def create_guest(self, name: str | None) -> Author | Rejection:
        """Return a new guest with this name, or with a generated one."""
        user = "g-" + self._random.randbytes(5).hex()
        return _named(user, name, self._random.randrange(_NAMES))

    def create_guest_for_request(
        self, address: str, room: str, post: HttpPost
    ) -> Author | Rejection:
        """Return a guest for a post over HTTP without a session; the address's rate limit applies.

        A post with a ref that is the same in every way, and from the same address, gets the same
        guest, so that it is recognized as a retry.
        """
        name = post.name
        if post.ref is None:
            user, number = self._random.randbytes(5).hex(), self._random.randrange(_NAMES)
        else:
            content = msgspec.json.encode((address, room, post))
            digest = hashlib.blake2b(content, key=self._address_key, digest_size=9).digest()
            user, number = digest[:5].hex(), int.from_bytes(digest[5:], "big")
        author = _named("g-" + user, name, number)
        if isinstance(author, Author):
            author.rate_limit_key = "address " + address
        return author

    def sign(self, author: Author) -> str:
        """Return a guest's session."""
        claims = {"iss": ISSUER, "sub": author.user, "name": author.name}
        return jwt.encode(claims, self._secret, ALGORITHM)

    def verify(self, token: str, name: str | None = None) -> Author | Rejection:
        """Return the guest that a session names, with another name if one is given."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                [ALGORITHM],
                issuer=ISSUER,
                options={"require": ["iss", "sub", "name"]},
            )
        except (jwt.PyJWTError, ValueError):
            return reject(Code.BAD_TOKEN)
        user, known_as = claims["sub"], claims["name"]
        if not isinstance(user, str) or not isinstance(known_as, str) or not _USER.fullmatch(user):
            return reject(Code.BAD_TOKEN)
        if name is not None:
            return _named(user, name, 0)
        cleaned = clean_name(known_as)
        if isinstance(cleaned, Rejection):
            # An earlier version, or another program with the secret, has signed a name that is not
            # valid now.
            return Author(user, guest_name(self._random.randrange(_NAMES)))
        return Author(user, cleaned)

    def resume_session(self, current: Author, token: str) -> Author | Rejection:
        """Return the author for a session; a name that was chosen on this connection stays."""
        author = self.verify(token)
        if isinstance(author, Rejection) or not current.chose_name:
            return author
        return msgspec.structs.replace(author, name=current.name, chose_name=True)


def _named(user: str, name: str | None, number: int) -> Author | Rejection:
    if name is None:
        return Author(user, guest_name(number))
    cleaned = clean_name(name)
    if isinstance(cleaned, Rejection):
        return cleaned
    return Author(user, cleaned, chose_name=True)
