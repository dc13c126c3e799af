"""The budgets of a peer: how much of each kind of work it may cause, and in which scope.

This is the one place where they are defined; docs/delivery.md has the same table. What is over a
budget is first left unread, then rejected with ``too_many``, then the connection is closed.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache

import msgspec


class RateBudget(msgspec.Struct, frozen=True):
    """``burst`` at once, then ``rate`` a second.

    Each message that exceeds the budget of a connection is delayed; after ``reject_after`` in a row
    the connection gets a reject, after ``close_after`` it is closed.
    """

    name: str
    scope: str
    burst: int
    rate: float
    reject_after: int = 20
    close_after: int = 200


class CountBudget(msgspec.Struct, frozen=True):
    """``limit`` at the same time."""

    name: str
    scope: str
    limit: int


MESSAGES = RateBudget("messages", "connection", burst=60, rate=10)
"""Pings, renames, pauses, sign-ins and rejected messages. Accepted posts have the post rate."""

ADDRESS_MESSAGES = RateBudget("address_messages", "address", burst=2_000, rate=500)
"""The same, of all connections of an address."""

HANDSHAKES = RateBudget("handshakes", "address", burst=500, rate=20)
REQUESTS = RateBudget("requests", "address", burst=1_000, rate=200)
PAGES = RateBudget("pages", "address", burst=10_000, rate=500)
"""Pages, their files and metrics. A page loads forty files, and many people share an address."""

ROOM_OPENINGS = RateBudget("room_openings", "address", burst=30, rate=1)
HTTP_CONNECTIONS = CountBudget("http_connections", "address", limit=1_000)
LONG_POLLS = CountBudget("long_polls", "address", limit=500)
DELAYED_REFUSALS = CountBudget("delayed_refusals", "address", limit=100)
USER_CONNECTIONS = CountBudget("user_connections", "user", limit=50)
POSTS_IN_FLIGHT = CountBudget("posts_in_flight", "connection", limit=256)

BUDGETS: tuple[RateBudget | CountBudget, ...] = (
    MESSAGES,
    ADDRESS_MESSAGES,
    HANDSHAKES,
    REQUESTS,
    PAGES,
    ROOM_OPENINGS,
    HTTP_CONNECTIONS,
    LONG_POLLS,
    DELAYED_REFUSALS,
    USER_CONNECTIONS,
    POSTS_IN_FLIGHT,
)

FRAGMENT_COST = 0.05
"""The cost of a frame that does not complete a message, in messages."""


def spend(budget: RateBudget, full_at: float, now: float, cost: float = 1.0) -> float:
    """Return when a budget will be full again after ``cost`` is charged.

    ``full_at`` is when it would have been full before (the generic cell rate algorithm, ITU-T
    I.371, annex A). Times are in seconds of any monotonic clock. It may be overdrawn.
    """
    return max(full_at, now) + cost / budget.rate


def overdraft(budget: RateBudget, full_at: float, now: float) -> float:
    """Return the seconds until an overdrawn budget is at zero, 0 or less when it is not."""
    return full_at - now - budget.burst / budget.rate


@lru_cache(4_096)
def address_key(address: str) -> str | None:
    """Return the key by which an IP address is counted: IPv6 by its /64, that of one customer.

    None for loopback: load tests and tools of the same machine are exempt, and a reverse proxy
    there that does not forward addresses would make one peer of all its clients.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return None if ip.is_loopback else str(ipaddress.ip_network((ip, 64), strict=False))
        ip = ip.ipv4_mapped
    return None if ip.is_loopback else str(ip)
