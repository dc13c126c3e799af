"""Who a viewer is while nobody has signed anything for them: a guest.

Signed sessions and the tokens of a site's own users will be read here too.
"""

from __future__ import annotations

import hashlib
import secrets

from chat.core.comment import clean_name, guest_name
from chat.core.reject import Rejection
from chat.core.room import Author

_NAMES = 1 << 32


class Guests:
    """Makes guests. Its key lives as long as the server, so that a guest's id tells no address."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def arrive(self, name: str | None) -> Author | Rejection:
        """Make a new guest, under a name of its own choice or a readable one."""
        user = "g-" + secrets.token_hex(5)
        return _named(user, name, secrets.randbelow(_NAMES))

    def recognise(self, address: str, name: str | None) -> Author | Rejection:
        """Return the guest behind an address, who posts over HTTP without a connection.

        The same while the server runs, so that limits and retries go by the same sender.
        """
        digest = hashlib.blake2b(address.encode(), key=self._key, digest_size=9).digest()
        return _named("g-" + digest[:5].hex(), name, int.from_bytes(digest[5:], "big"))


def _named(user: str, name: str | None, number: int) -> Author | Rejection:
    if name is None:
        return Author(user, guest_name(number))
    cleaned = clean_name(name)
    return cleaned if isinstance(cleaned, Rejection) else Author(user, cleaned)
