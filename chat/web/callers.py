"""Identifies the sender of a request, and refuses pages and hosts that may not use this server.

The client's address and the requested host are those of the connection and the Host header. From
the addresses of ``--trusted-proxies``, and only from those, the ``X-Forwarded-*`` headers override
them.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from chat.core.reject import Code, Rejection, reject
from chat.settings import Settings

MAX_PROXIES = 32
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_OWN_PAGES = ("same-origin", "none")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_log = logging.getLogger(__name__)


class Caller(NamedTuple):
    """The sender of a request.

    ``address`` is the client's IP address; ``host`` is the host that the client requested, in lower
    case. ``origin`` and ``site`` are a browser's Origin and Sec-Fetch-Site headers.
    """

    address: str
    host: str
    origin: str | None
    site: str | None


class Callers:
    """Identifies senders, and checks their hosts and origins against the settings."""

    def __init__(self, settings: Settings) -> None:
        self._origins = frozenset(settings.allowed_origins)
        self._hosts = frozenset(
            host.strip("[]") if host.endswith("]") else host for host in settings.allowed_hosts
        )
        self._proxies = [ipaddress.ip_network(proxy) for proxy in settings.trusted_proxies]

    def identify(self, peer: str, headers: Mapping[str, str]) -> Caller:
        """Return the sender of a request; ``headers`` must accept lower-case names."""
        address, host = peer, headers.get("host", "").lower()
        if self.is_proxy(peer):
            address = self._find_client(peer, headers.get("x-forwarded-for", ""))
            host = _find_host(host, headers)
        return Caller(
            address, host, headers.get("origin"), headers.get("sec-fetch-site", "").lower() or None
        )

    def is_proxy(self, peer: str) -> bool:
        """Return whether a connection is from a trusted proxy, and so may be any client's."""
        return bool(self._proxies) and self._is_proxy(_parse_address(peer))

    def check(self, caller: Caller) -> Rejection | None:
        """Return why a request is refused: its host, or the origin of its page."""
        if (rejection := self.check_host(caller)) is not None:
            return rejection
        if self.allows_page(caller):
            return None
        detail = ""
        if caller.origin is not None and _read_name(_read_host(caller.origin)) == _read_name(
            caller.host
        ):
            detail = (
                f": the server was asked for {_show(caller.host)}. A reverse proxy has to pass on "
                "the browser's Host header with its port"
            )
        _log.info(
            "refused a page: Origin %s, Host %s, Sec-Fetch-Site %s",
            *map(_show, (caller.origin, caller.host, caller.site)),
        )
        return reject(Code.FORBIDDEN_ORIGIN, detail=detail)

    def check_host(self, caller: Caller) -> Rejection | None:
        """Return why a request for this host is refused.

        The names of loopback are always allowed: DNS rebinding cannot use them.
        """
        if not self._hosts or caller.host in self._hosts:
            return None
        name = _read_name(caller.host)
        if name in self._hosts or name in _LOOPBACK_NAMES:
            return None
        _log.info("refused a host: %s", _show(caller.host))
        return reject(Code.FORBIDDEN_HOST)

    def allows_page(self, caller: Caller) -> bool:
        """Return whether the page that sent a request, if one did, may use this server.

        Browsers send no Origin for an image or a link, but Sec-Fetch-Site. Scripts send neither.
        Only the hosts are compared: behind a proxy the scheme is not known here. A sandboxed frame
        and a file have the origin ``null``, which anyone can have: it is refused.
        """
        if caller.origin is None:
            return caller.site is None or caller.site in _OWN_PAGES
        if caller.origin in self._origins:
            return True
        return bool(caller.host) and _read_host(caller.origin) == caller.host

    def _find_client(self, peer: str, forwarded_for: str) -> str:
        """Return the rightmost address of X-Forwarded-For that is not a trusted proxy's.

        Addresses to the left of it may be forged.
        """
        client = peer
        for hop in reversed(forwarded_for.rsplit(",", MAX_PROXIES)[-MAX_PROXIES:]):
            address = _parse_address(hop)
            if address is None:
                break
            client = str(address)
            if not self._is_proxy(address):
                break
        return client

    def _is_proxy(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._proxies)


def _parse_address(raw: str) -> Address | None:
    """Read an address, which may have a port; None for anything else, such as ``unknown``."""
    raw = raw.strip()
    if raw.startswith("["):
        raw = raw[1:].partition("]")[0]
    elif raw.count(":") == 1:
        raw = raw.partition(":")[0]
    try:
        address = ipaddress.ip_address(raw)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _find_host(host: str, headers: Mapping[str, str]) -> str:
    """Return the host that the client requested, from the headers of a trusted proxy."""
    forwarded = headers.get("x-forwarded-host", "").rpartition(",")[2].strip().lower()
    port = headers.get("x-forwarded-port", "").rpartition(",")[2].strip()
    host = forwarded or host
    is_default = port == {"http": "80", "https": "443"}.get(
        headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower(), ""
    )
    if port.isdecimal() and not is_default and _read_name(host) == host.strip("[]"):
        return f"{host}:{port}"
    return host


def _read_host(origin: str) -> str:
    """Return the host and port of an origin; empty if it has none, such as ``null``."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _read_name(host: str) -> str:
    """Return a host without its port and brackets."""
    if host.startswith("["):
        name, _, rest = host[1:].partition("]")
        return "" if rest and not rest.startswith(":") else name
    return host.partition(":")[0]


def _show(header: str | None) -> str:
    return "none" if header is None else header[:100]
