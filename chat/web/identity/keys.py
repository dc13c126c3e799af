"""The server's keys: sign tokens, and check their signatures (JWS compact, RFC 7515, HS256 only).

What a token says is decided elsewhere. Nothing that a peer sends raises: a token that is too long,
malformed, of another algorithm or with another signature has no payload.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from chat.core.explain import DECODE_ERRORS

MAX_TOKEN_LENGTH = 4_096
_FINGERPRINT_LENGTH = 16
_encoder = msgspec.json.Encoder()


class _Header(Struct, frozen=True):
    """A token's header. ``crit`` names extensions that must be understood, and none is."""

    alg: Literal["HS256"]
    kid: str | None = None
    crit: Raw | UnsetType = UNSET


_header = msgspec.json.Decoder(_Header)


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


_OWN_HEADER = _encode(b'{"alg":"HS256","typ":"JWT"}')


def fingerprint(secret: bytes) -> str:
    """Return the ``kid`` that names a secret: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(secret).hexdigest()[:_FINGERPRINT_LENGTH]


class Keys:
    """One or more secrets: the first signs, and all of them verify."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = tuple(secrets)
        self._by_fingerprint = {fingerprint(secret): secret for secret in secrets}

    def derive(self, purpose: bytes) -> bytes:
        """Return a key for another purpose than tokens, from the secret that signs."""
        return hashlib.blake2b(self._secrets[0], person=purpose).digest()

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a token with these claims."""
        signed = f"{_OWN_HEADER}.{_encode(_encoder.encode(claims))}"
        return f"{signed}.{_sign(self._secrets[0], signed)}"

    def read(self, token: str) -> bytes | None:
        """Return the payload of a token that one of these keys has signed; None of any other."""
        if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
            return None
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        secrets = self._secrets if header == _OWN_HEADER else self._find_secrets(header)
        for secret in secrets:
            # The encoded signatures are compared: base64 has several spellings of the same bytes.
            if hmac.compare_digest(_sign(secret, signed), signature):
                try:
                    return _decode(payload)
                except ValueError:
                    return None
        return None

    def _find_secrets(self, header: str) -> tuple[bytes, ...]:
        """Return the secrets that may have signed a token with this header."""
        try:
            found = _header.decode(_decode(header))
        except (*DECODE_ERRORS, ValueError):
            return ()
        if found.crit is not UNSET:
            return ()
        if found.kid is None:
            return self._secrets
        secret = self._by_fingerprint.get(found.kid)
        return () if secret is None else (secret,)


def _sign(secret: bytes, signed: str) -> str:
    return _encode(hmac.digest(secret, signed.encode(), "sha256"))
