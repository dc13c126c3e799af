"""Which pages may connect and post: those of the same origin and of the allowed origins."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit


def is_allowed_origin(origin: str | None, host: str, allowed: Collection[str]) -> bool:
    """Decide by the Origin and Host headers (RFC 6454).

    A script sends no Origin and is allowed. A browser always does, so pages of other origins are
    refused. Only the hosts are compared: behind a proxy the scheme is not known here.
    """
    if origin is None or origin in allowed:
        return True
    try:
        site = urlsplit(origin).netloc
    except ValueError:
        return False
    return bool(host) and site.lower() == host.lower()
