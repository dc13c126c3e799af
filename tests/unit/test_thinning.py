"""Which comments of a flood are omitted; the choice is deterministic."""

from __future__ import annotations

from collections import Counter

from chat.core.comment import Comment, Role
from chat.core.retraction import Retraction
from chat.core.thinning import FAIR_SECONDS, Thinning

RATE = 10
CAPACITY = 4_096


class Flood:
    """A room in which comments come in small lots, as waves take them up."""

    def __init__(self, rate: float = RATE) -> None:
        self.thinning = Thinning(rate, CAPACITY)
        self.head = 0
        self.kept: list[int] = []
        self.clock = 50.0

    def post(self, *users: str, passed: float = 0.0) -> list[str]:
        """Add a comment of each user; return whose are sent. Hosts' names are upper-case."""
        first = self.head + 1
        for seq, user in enumerate(users, first):
            role = Role.HOST if user.isupper() else Role.VIEWER
            comment = Comment(seq=seq, user=user, name="N", text="t", at=1, role=role)
            self.thinning.add(comment)
            self.head = seq
        self.clock += passed
        left_out = self.thinning.choose_omitted(first, self.head, self.clock)
        assert left_out <= set(range(first, first + len(users)))
        return [user for seq, user in enumerate(users, first) if seq not in left_out]


def test_all_are_sent_up_to_the_rate() -> None:
    flood = Flood()
    assert len(flood.post(*"a" * RATE)) == RATE
    assert flood.post("a") == []
    assert len(flood.post(*"aaa", passed=2 / RATE)) == 2


def test_rate_of_0_omits_nothing() -> None:
    assert len(Flood(rate=0).post(*"a" * 1000)) == 1000


def test_unused_rate_is_saved_for_at_most_one_second() -> None:
    flood = Flood()
    flood.post("a")
    assert len(flood.post(*"a" * 3 * RATE, passed=3600.0)) == RATE


def test_rate_below_one_selects_a_comment_every_few_seconds() -> None:
    flood = Flood(rate=0.5)
    assert [len(flood.post("a", passed=1.0)) for _ in range(6)] == [1, 0, 1, 0, 1, 0]


def test_first_comment_of_each_sender_precedes_any_second() -> None:
    sent = Flood().post(*"x" * 20, *"bcdefghij")
    assert Counter(sent) == Counter("xbcdefghij")


def test_senders_with_fewer_selected_comments_go_first_in_the_next_wave() -> None:
    flood = Flood()
    assert flood.post(*"a" * (RATE - 1)) == ["a"] * (RATE - 1)
    # Of these the first would be first by order; but its user was sent a moment ago.
    assert flood.post(*"ab") == ["b"]


def test_comments_selected_long_ago_do_not_count() -> None:
    flood = Flood()
    flood.post(*"a" * RATE)
    flood.post(*"c" * RATE, passed=FAIR_SECONDS)
    assert flood.post(*"ab", passed=1 / RATE) == ["a"]


def test_hosts_go_first_and_may_borrow_from_the_next_second() -> None:
    flood = Flood()
    assert flood.post(*"v" * RATE, "H").count("H") == 1
    for _ in range(RATE):
        assert flood.post(*"vvv", "H") == ["H"]  # though nothing is left
    # They too are no more than the rate, in the end.
    assert flood.post("H", "H") == []
    assert flood.post("v", "H", passed=1 / RATE) == ["H"]


def test_entries_other_than_comments_are_never_omitted() -> None:
    thinning = Thinning(2, CAPACITY)
    for seq in range(1, 6):
        thinning.add(Retraction(seq=seq, target=1, at=1))
    assert thinning.choose_omitted(1, 5, 1.0) == set()
    for seq in (6, 8, 9):
        thinning.add(Comment(seq=seq, user="a", name="N", text="t", at=1))
        if seq == 6:
            thinning.add(Retraction(seq=7, target=6, at=1))
    assert thinning.choose_omitted(6, 9, 1.0) == {9}
