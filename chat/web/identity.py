"""Who a viewer is while no site has signed anything for them: a guest, the same at every return.

A guest's session is a token (JWT, RFC 7519) that this server signed with HS256; nothing else is
read. It names a user and no rights, so it does not expire: it ends with the secret.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from pathlib import Path

import jwt
import msgspec

from chat.core.comment import clean_name, guest_name
from chat.core.reject import Rejection, reject
from chat.core.room import Author

_ALGORITHM = "HS256"
_ISSUER = "danmaku"
_NAMES = 1 << 32
_SECRET_BYTES = 32

_log = logging.getLogger(__name__)


class SecretError(Exception):
    """The secret cannot be had; the text is one sentence for the operator."""


def find_secret(chosen: str, database: str | None) -> bytes:
    """Return the key that sessions are signed with.

    The operator's own; or the one beside the database file, made at first start; or, where all is
    in memory, one for this run. Belongs to whoever holds the database's lock.
    """
    if chosen or not database:
        return chosen.encode() or secrets.token_bytes(_SECRET_BYTES)
    path = _beside(database)
    try:
        if not path.exists():
            _write_secret(path)
    except OSError as error:
        raise SecretError(f"The secret {path} cannot be used: {error.strerror}.") from None
    return read_secret(chosen, database)


def read_secret(chosen: str, database: str | None) -> bytes:
    """Return the key that a server with these settings signs with; never makes one."""
    if chosen:
        return chosen.encode()
    if not database:
        raise SecretError(
            "A server that keeps all in memory has a secret for each run; "
            "give it one with --secret or DANMAKU_SECRET, and the same here."
        )
    path = _beside(database)
    try:
        secret = path.read_bytes().strip()
    except FileNotFoundError:
        raise SecretError(
            f"There is no secret {path}. Give --database or --secret as the server has it."
        ) from None
    except OSError as error:
        raise SecretError(f"The secret {path} cannot be used: {error.strerror}.") from None
    if len(secret) < _SECRET_BYTES:
        raise SecretError(f"The secret {path} is too short; delete it to have a new one made.")
    return secret


def _beside(database: str) -> Path:
    return Path(database + ".secret")


def _write_secret(path: Path) -> None:
    # Whole or not at all: a start that is cut short must not leave a secret that cannot be used.
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_hex(_SECRET_BYTES).encode() + b"\n")
        file.flush()
        os.fsync(descriptor)
    partial.rename(path)
    _log.info("guests' sessions are signed with the new secret %s", path)


class Guests:
    """Makes guests, signs their sessions, and knows them again."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        # So that a guest's id tells no address.
        self._address_key = hashlib.blake2b(secret, person=b"addresses").digest()

    def arrive(self, name: str | None) -> Author | Rejection:
        """Make a new guest, under a name of its own choice or a readable one."""
        user = "g-" + secrets.token_hex(5)
        return _named(user, name, secrets.randbelow(_NAMES))

    def arrive_from(self, address: str, name: str | None, ref: str | None) -> Author | Rejection:
        """Return who posts over HTTP without a session: a new guest, with its address's limits.

        A retry of the same ref comes from the same guest, so that it is known for one; nobody else
        behind the address is that guest.
        """
        if ref is None:
            user, number = secrets.token_hex(5), secrets.randbelow(_NAMES)
        else:
            told = msgspec.json.encode((address, name, ref))
            digest = hashlib.blake2b(told, key=self._address_key, digest_size=9).digest()
            user, number = digest[:5].hex(), int.from_bytes(digest[5:], "big")
        author = _named("g-" + user, name, number)
        if isinstance(author, Author):
            author.limited_as = "address " + address
        return author

    def sign(self, author: Author) -> str:
        """Return the session of a guest."""
        claims = {"iss": _ISSUER, "sub": author.user, "name": author.name}
        return jwt.encode(claims, self._secret, _ALGORITHM)

    def recognise(self, token: str, name: str | None = None) -> Author | Rejection:
        """Return the guest whom a session names, under a newer name where there is one."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                [_ALGORITHM],
                issuer=_ISSUER,
                options={"require": ["iss", "sub", "name"]},
            )
        except (jwt.PyJWTError, ValueError):
            return reject("bad_token")
        user, known_as = claims["sub"], claims["name"]
        if not isinstance(user, str) or not isinstance(known_as, str):
            return reject("bad_token")
        if name is None:
            return Author(user, known_as)
        return _named(user, name, 0)

    def return_as(self, present: Author, token: str) -> Author | Rejection:
        """Return whom a viewer turns out to be; a name that it chose here is the newer one."""
        author = self.recognise(token)
        if isinstance(author, Rejection) or not present.chose_name:
            return author
        return msgspec.structs.replace(author, name=present.name, chose_name=True)


def _named(user: str, name: str | None, number: int) -> Author | Rejection:
    if name is None:
        return Author(user, guest_name(number))
    cleaned = clean_name(name)
    if isinstance(cleaned, Rejection):
        return cleaned
    return Author(user, cleaned, chose_name=True)
