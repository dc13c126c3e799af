"""Guests: the users that this server creates itself, and their sessions.

A guest's session is a token that names a user and no rights, so it does not expire: it is valid as
long as the secret. ``tokens.py`` verifies it.
"""

from __future__ import annotations

import hashlib
from random import Random

import msgspec

from chat.core.comment import clean_name, guest_name
from chat.core.reject import Rejection
from chat.core.requests import HttpPost
from chat.core.room_state import GUEST_PREFIX, Author
from chat.environment import SYSTEM_RANDOM
from chat.web.identity.keys import Keys
from chat.web.identity.tokens import GUEST_NAMES

ISSUER = "danmaku"


class GuestSessions:
    """Creates guests, and signs their sessions."""

    def __init__(self, keys: Keys, random: Random = SYSTEM_RANDOM) -> None:
        self._keys = keys
        self._random = random
        # Keyed, so that a guest's id does not reveal an address.
        self._address_key = keys.derive(b"addresses")

    def create_guest(self, name: str | None) -> Author | Rejection:
        """Return a new guest with this name, or with a generated one."""
        user = GUEST_PREFIX + self._random.randbytes(5).hex()
        return _named(user, name, self._random.randrange(GUEST_NAMES))

    def create_guest_for_request(
        self, address: str, room: str, post: HttpPost
    ) -> Author | Rejection:
        """Return a guest for a post over HTTP without a session; the address's rate limit applies.

        A post with a ref that is the same in every way, and from the same address, gets the same
        guest, so that it is recognized as a retry.
        """
        name = post.name
        if post.ref is None:
            user = self._random.randbytes(5).hex()
            number = self._random.randrange(GUEST_NAMES)
        else:
            content = msgspec.json.encode((address, room, post))
            digest = hashlib.blake2b(content, key=self._address_key, digest_size=9).digest()
            user, number = digest[:5].hex(), int.from_bytes(digest[5:], "big")
        author = _named(GUEST_PREFIX + user, name, number)
        if isinstance(author, Author):
            author.rate_limit_key = "address " + address
        return author

    def sign(self, author: Author) -> str:
        """Return a guest's session."""
        return self._keys.sign({"iss": ISSUER, "sub": author.user, "name": author.name})


def _named(user: str, name: str | None, number: int) -> Author | Rejection:
    if name is None:
        return Author(user, guest_name(number))
    cleaned = clean_name(name)
    if isinstance(cleaned, Rejection):
        return cleaned
    return Author(user, cleaned, chose_name=True)
