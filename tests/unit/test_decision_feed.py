"""Authors of held comments who are connected are told what became of these, and each once."""

from __future__ import annotations

import json

from chat.core.moderation.held import Decided, Decision
from chat.fanout.decision_feed import DecisionFeed


class Author:
    def __init__(self) -> None:
        self.data = b""

    def send_frame(self, data: bytes) -> None:
        self.data += data

    def outcomes(self) -> list[tuple[str, str]]:
        """Return the type and the ref of each message."""
        found = []
        data, self.data = self.data, b""
        while data:
            size = data[1] if data[1] < 126 else int.from_bytes(data[2:4])
            head = 2 if data[1] < 126 else 4
            message = json.loads(data[head : head + size])
            found.append((message["type"], message["ref"]))
            data = data[head + size :]
        return found


def test_each_author_is_told_about_its_own_comments_and_once() -> None:
    feed, owl, fox = DecisionFeed(), Author(), Author()
    feed.add(owl, 1, "a")
    feed.add(owl, 2, "b")
    feed.add(fox, 1, "a")  # another tab of the same user
    decided = [Decided(1, Decision.APPROVED, 7), Decided(3, Decision.REJECTED)]
    for _ in range(2):
        feed.send(decided, "e")
    assert owl.outcomes() == [("ack", "a")]
    assert fox.outcomes() == [("ack", "a")]
    assert len(feed) == 1
    feed.send([Decided(2, Decision.CLEARED)], "e")
    assert owl.outcomes() == [("reject", "b")]
    assert len(feed) == 0


def test_author_who_has_left_is_told_nothing_and_forgotten() -> None:
    feed, owl = DecisionFeed(), Author()
    feed.add(owl, 1, "a")
    feed.remove(owl)
    feed.remove(owl)
    feed.send([Decided(1, Decision.APPROVED, 7)], "e")
    assert owl.outcomes() == []
    assert len(feed) == 0


class Leaver(Author):
    """Leaves when it is written to, as a connection does whose socket is broken."""

    def __init__(self, feed: DecisionFeed) -> None:
        super().__init__()
        self.feed = feed

    def send_frame(self, data: bytes) -> None:
        self.feed.remove(self)


def test_author_who_leaves_while_it_is_told_disturbs_no_other() -> None:
    feed, owl = DecisionFeed(), Author()
    leaver = Leaver(feed)
    for author in (leaver, owl):
        feed.add(author, 1, "a")
        feed.add(author, 2, "b")
    feed.send([Decided(1, Decision.APPROVED, 7), Decided(2, Decision.APPROVED, 8)], "e")
    assert owl.outcomes() == [("ack", "a"), ("ack", "b")]
    assert len(feed) == 0
