"""Whose pages may connect and post: the same origin, and those that the operator named."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit


def is_allowed_origin(origin: str | None, host: str, allowed: Collection[str]) -> bool:
    """Decide by the Origin and Host headers (RFC 6454).

    A script sends no Origin and may. A browser always does, so a page of another site is refused.
    Only the host is compared for the same site: behind a proxy the scheme is not known here.
    """
    if origin is None or origin in allowed:
        return True
    try:
        site = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(host) and site.lower() == host.lower()
