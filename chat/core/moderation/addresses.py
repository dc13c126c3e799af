"""Addresses as they are stored: as hashes, so that the database contains no addresses."""

from __future__ import annotations

import hashlib

DIGEST_BYTES = 12


def hash_address(secret: bytes, network: str) -> str:
    """Return the hash of a client's network, as ``core/budgets.py`` names it.

    Without the secret the few possible addresses cannot be tried one after the other.
    """
    digest = hashlib.blake2b(network.encode(), key=secret, digest_size=DIGEST_BYTES)
    return digest.hexdigest()
