"""What each peer has used of its budgets, by address and by user; see ``core/budgets.py``."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from chat.core.budgets import (
    ADDRESS_MESSAGES,
    DELAYED_REFUSALS,
    HANDSHAKES,
    HTTP_CONNECTIONS,
    LONG_POLLS,
    PAGES,
    REQUESTS,
    ROOM_OPENINGS,
    USER_CONNECTIONS,
    RateBudget,
    address_key,
)
from chat.core.limits import RateLimit
from chat.core.reject import Code, Rejection, reject
from chat.environment import SYSTEM_CLOCK, Clock
from chat.metrics import Metrics

FULL_SECONDS = 10.0
REFUSAL_SECONDS = 1.0
CONNECTIONS = "address_connections"


class Peers:
    """The budgets of all addresses and users of this process.

    ``max_per_address`` bounds the WebSocket connections of an address; 0 is no bound. Addresses
    are strings as a socket gives them; loopback is exempt.
    """

    def __init__(self, metrics: Metrics, max_per_address: int, clock: Clock = SYSTEM_CLOCK) -> None:
        self._metrics = metrics
        self._max_per_address = max_per_address
        self.clock = clock
        self._rates = {
            budget.name: RateLimit(budget.burst, budget.rate)
            for budget in (ADDRESS_MESSAGES, HANDSHAKES, REQUESTS, PAGES, ROOM_OPENINGS)
        }
        self._connections: Counter[str] = Counter()
        self._http_connections: Counter[str] = Counter()
        self._users: Counter[str] = Counter()
        self._long_polls: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        metrics.watch(
            "danmaku_limited_addresses",
            "Addresses whose budgets are not full",
            self._count_limited,
        )

    def _count_limited(self) -> int:
        now = self.clock.monotonic()
        return sum(limit.count_used(now) for limit in self._rates.values())

    # --- rates ----------------------------------------------------------------------------------

    def admit_handshake(self, address: str) -> Rejection | None:
        """Return why an address may not open one more WebSocket connection now."""
        key = address_key(address)
        if key is None:
            return None
        if self._has_too_many_connections(key):
            return self.reject(CONNECTIONS, FULL_SECONDS)
        return self._take(HANDSHAKES, key)

    def explain_handshake(self, address: str, *, opens_room: bool) -> Rejection | None:
        """Return why ``admit_handshake`` or ``admit_opening`` would refuse.

        Nothing is charged or counted: the peer only asks.
        """
        key = address_key(address)
        if key is None:
            return None
        if self._has_too_many_connections(key):
            return _reject(FULL_SECONDS)
        for budget in (HANDSHAKES, ROOM_OPENINGS) if opens_room else (HANDSHAKES,):
            if wait := self._rates[budget.name].wait(key, self.clock.monotonic()):
                return _reject(wait)
        return None

    def _has_too_many_connections(self, key: str) -> bool:
        return 0 < self._max_per_address <= self._connections[key]

    def admit_request(self, address: str) -> Rejection | None:
        """Return why an address may not send one more request to the API now."""
        return self._take(REQUESTS, address_key(address))

    def admit_page(self, address: str) -> Rejection | None:
        """Return why an address may not request one more page or file now."""
        return self._take(PAGES, address_key(address))

    def admit_opening(self, address: str) -> Rejection | None:
        """Return why an address may not have one more room opened now."""
        return self._take(ROOM_OPENINGS, address_key(address))

    def charge_messages(self, key: str | None, cost: float, now: float) -> float:
        """Charge an address for messages; return the seconds until its budget is not overdrawn."""
        if key is None:
            return 0.0
        return self._rates[ADDRESS_MESSAGES.name].overdraw(key, now, cost)

    def _take(self, budget: RateBudget, key: str | None) -> Rejection | None:
        if key is None:
            return None
        wait = self._rates[budget.name].take(key, self.clock.monotonic())
        return self.reject(budget.name, wait) if wait else None

    def reject(self, budget: str, retry_after: float) -> Rejection:
        """Count that a budget was exceeded, and return the rejection."""
        self._metrics.budget_exceeded.labels(budget).inc()
        return _reject(retry_after)

    # --- counts ---------------------------------------------------------------------------------

    def add_connection(self, address: str) -> str | None:
        """Count a WebSocket connection; return the key to remove it with."""
        key = address_key(address)
        if key is not None:
            self._connections[key] += 1
        return key

    def remove_connection(self, key: str | None) -> None:
        """Stop counting a WebSocket connection."""
        _decrement(self._connections, key)

    def add_http_connection(self, address: str) -> bool:
        """Count a connection that is no WebSocket yet; False if its address has too many."""
        key = address_key(address)
        if key is None:
            return True
        if self._http_connections[key] >= HTTP_CONNECTIONS.limit:
            self._metrics.budget_exceeded.labels(HTTP_CONNECTIONS.name).inc()
            return False
        self._http_connections[key] += 1
        return True

    def remove_http_connection(self, address: str) -> None:
        """Stop counting a connection that has ended or become a WebSocket."""
        _decrement(self._http_connections, address_key(address))

    def add_user(self, user: str) -> bool:
        """Count a connection on which a user has signed in; False if it has too many."""
        if self._users[user] >= USER_CONNECTIONS.limit:
            self._metrics.budget_exceeded.labels(USER_CONNECTIONS.name).inc()
            return False
        self._users[user] += 1
        return True

    def remove_user(self, user: str) -> None:
        """Stop counting a connection of a user."""
        _decrement(self._users, user)

    @contextmanager
    def hold_long_poll(self, address: str) -> Iterator[Rejection | None]:
        """Count a long poll while it waits; yields the rejection if there are too many."""
        key = address_key(address)
        if key is not None and self._long_polls[key] >= LONG_POLLS.limit:
            yield self.reject(LONG_POLLS.name, 1.0)
            return
        if key is not None:
            self._long_polls[key] += 1
        try:
            yield None
        finally:
            _decrement(self._long_polls, key)

    async def delay_refusal(self, address: str) -> bool:
        """Wait before a request over budget is rejected, so that a flood of them costs little.

        Each waiting request holds a connection, so an address may have only a few. Returns False
        at once if it has more: then the connection should be closed.
        """
        key = address_key(address)
        if key is None:
            return True
        if self._refusals[key] >= DELAYED_REFUSALS.limit:
            self._metrics.budget_exceeded.labels(DELAYED_REFUSALS.name).inc()
            return False
        self._refusals[key] += 1
        try:
            await asyncio.sleep(REFUSAL_SECONDS)
        finally:
            _decrement(self._refusals, key)
        return True


def _reject(retry_after: float) -> Rejection:
    return reject(Code.TOO_MANY, retry_after=math.ceil(retry_after * 1000) / 1000)


def _decrement(counter: Counter[str], key: str | None) -> None:
    if key is None:
        return
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
