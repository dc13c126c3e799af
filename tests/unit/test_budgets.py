"""Budgets: the key of a peer, what each budget allows, and the table in the documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat.core.budgets import (
    BUDGETS,
    HANDSHAKES,
    HTTP_CONNECTIONS,
    LONG_POLLS,
    MESSAGES,
    PAGES,
    REQUESTS,
    ROOM_OPENINGS,
    USER_CONNECTIONS,
    RateBudget,
    address_key,
    overdraft,
    spend,
)
from chat.core.reject import Rejection
from chat.metrics import Metrics
from chat.web.peers import Peers

DELIVERY = Path(__file__).resolve().parents[2] / "docs" / "delivery.md"
ADDRESS, OTHER = "203.0.113.5", "198.51.100.7"


@pytest.fixture
def peers() -> Peers:
    return Peers(Metrics(), max_per_address=500)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", None),
        ("127.8.8.8", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_address_is_counted_by_its_network_and_loopback_is_exempt(
    address: str, key: str | None
) -> None:
    assert address_key(address) == key


def test_budget_allows_its_burst_at_once_and_then_its_rate() -> None:
    full_at = 0.0
    for _ in range(MESSAGES.burst):
        full_at = spend(MESSAGES, full_at, now=100.0)
        assert overdraft(MESSAGES, full_at, now=100.0) <= 0
    full_at = spend(MESSAGES, full_at, now=100.0)
    assert overdraft(MESSAGES, full_at, now=100.0) == pytest.approx(1 / MESSAGES.rate)


@pytest.mark.parametrize(
    "budget", [HANDSHAKES, REQUESTS, PAGES, ROOM_OPENINGS], ids=lambda b: b.name
)
def test_address_over_a_rate_is_rejected_with_a_time_and_others_are_not(
    peers: Peers, budget: RateBudget
) -> None:
    admit = {
        "handshakes": peers.admit_handshake,
        "requests": peers.admit_request,
        "pages": peers.admit_page,
        "room_openings": peers.admit_opening,
    }[budget.name]
    outcomes = [admit(ADDRESS) for _ in range(budget.burst + 50)]
    rejected = [outcome for outcome in outcomes if isinstance(outcome, Rejection)]
    assert outcomes[: budget.burst] == [None] * budget.burst
    assert rejected
    assert {outcome.code for outcome in rejected} == {"too_many"}
    assert all(outcome.status == 429 and outcome.retry_after for outcome in rejected)
    assert admit(OTHER) is None
    assert admit("127.0.0.1") is None


def test_2000_connections_of_one_address_are_capped_and_200_viewers_behind_nat_are_not(
    peers: Peers,
) -> None:
    admitted = 0
    for _ in range(2_000):
        if peers.admit_handshake(ADDRESS) is None:
            peers.add_connection(ADDRESS)
            admitted += 1
    assert admitted <= 500
    for _ in range(200):
        assert peers.admit_handshake(OTHER) is None
        peers.add_connection(OTHER)


def test_address_may_connect_again_when_one_of_its_connections_has_left() -> None:
    peers = Peers(Metrics(), max_per_address=2)
    keys = [peers.add_connection(ADDRESS) for _ in range(2)]
    rejected = peers.admit_handshake(ADDRESS)
    assert rejected is not None
    assert rejected.retry_after
    peers.remove_connection(keys[0])
    assert peers.admit_handshake(ADDRESS) is None


def test_explaining_a_handshake_charges_nothing_and_agrees_with_the_handshake() -> None:
    metrics = Metrics()
    peers = Peers(metrics, max_per_address=500)
    for _ in range(2 * HANDSHAKES.burst):
        assert peers.explain_handshake(ADDRESS, opens_room=True) is None
    for _ in range(ROOM_OPENINGS.burst):
        assert peers.admit_opening(ADDRESS) is None
    assert peers.admit_opening(ADDRESS) is not None
    assert peers.explain_handshake(ADDRESS, opens_room=False) is None
    rejection = peers.explain_handshake(ADDRESS, opens_room=True)
    assert rejection is not None
    assert rejection.code == "too_many"
    labels = {"budget": ROOM_OPENINGS.name}
    exceeded = metrics.registry.get_sample_value("danmaku_budget_exceeded_total", labels)
    assert exceeded == 1  # by the opening that was refused, not by the question
    assert peers.explain_handshake("127.0.0.1", opens_room=True) is None


def test_http_connections_of_an_address_are_bounded_until_one_ends(peers: Peers) -> None:
    assert all(peers.add_http_connection(ADDRESS) for _ in range(HTTP_CONNECTIONS.limit))
    assert not peers.add_http_connection(ADDRESS)
    assert peers.add_http_connection(OTHER)
    assert all(peers.add_http_connection("::1") for _ in range(2 * HTTP_CONNECTIONS.limit))
    peers.remove_http_connection(ADDRESS)
    assert peers.add_http_connection(ADDRESS)
    assert not peers.add_http_connection(ADDRESS)


def test_user_has_a_bounded_number_of_connections(peers: Peers) -> None:
    assert all(peers.add_user("g-1") for _ in range(USER_CONNECTIONS.limit))
    assert not peers.add_user("g-1")
    assert peers.add_user("g-2")
    peers.remove_user("g-1")
    assert peers.add_user("g-1")


def test_long_polls_of_an_address_are_bounded_and_counted_only_while_they_wait(
    peers: Peers,
) -> None:
    holds = [peers.hold_long_poll(ADDRESS) for _ in range(LONG_POLLS.limit)]
    assert {hold.__enter__() for hold in holds} == {None}
    with peers.hold_long_poll(ADDRESS) as rejection:
        assert rejection is not None
        assert rejection.code == "too_many"
    holds[0].__exit__(None, None, None)
    with peers.hold_long_poll(ADDRESS) as rejection:
        assert rejection is None


def test_delivery_page_has_the_table_of_the_budgets() -> None:
    section = DELIVERY.read_text().split("## Budgets of a peer")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([\d,]+) \|\s*([\d,]*)\s*\|", section, re.MULTILINE)
    listed = [
        (name, scope, once.replace(",", ""), rate.replace(",", ""))
        for name, scope, once, rate in rows
    ]
    assert listed == [
        (b.name, b.scope, str(b.burst), f"{b.rate:g}")
        if isinstance(b, RateBudget)
        else (b.name, b.scope, str(b.limit), "")
        for b in BUDGETS
    ]
