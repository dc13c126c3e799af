"""Charges the messages of one connection to its budget and to that of its address."""

from __future__ import annotations

from chat.core.budgets import RateBudget, overdraft, spend
from chat.web.peers import Peers


class MessageBudget:
    """What one connection has used; created with the first message that is charged.

    ``overruns`` counts the messages in a row that exceeded the budget; it is reset
    once the budget is full.
    """

    __slots__ = ("_address_key", "_budget", "_full_at", "_peers", "overruns")

    def __init__(self, budget: RateBudget, peers: Peers, address_key: str | None) -> None:
        self._budget = budget
        self._peers = peers
        self._address_key = address_key
        self._full_at = 0.0
        self.overruns = 0

    def charge(self, messages: float) -> None:
        """Charge the connection and its address for messages."""
        now = self._peers.clock.monotonic()
        if self._full_at <= now:
            self.overruns = 0
        self._full_at = spend(self._budget, self._full_at, now, messages)
        self._peers.charge_messages(self._address_key, messages, now)

    def overdraft(self) -> float:
        """Return the seconds until neither budget is overdrawn, 0 or less if none is."""
        now = self._peers.clock.monotonic()
        return max(
            overdraft(self._budget, self._full_at, now),
            self._peers.charge_messages(self._address_key, 0.0, now),
        )
