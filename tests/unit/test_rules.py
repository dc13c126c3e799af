"""A room's rules: whose posts and which texts are accepted, and who is exempt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from chat.core.comment import Comment, Role
from chat.core.history import History
from chat.core.limits import RateLimit, RecentTexts
from chat.core.moderation.filters import Action, Filter, FilterSet, Match, compile_filters
from chat.core.moderation.held import HeldComment
from chat.core.moderation.rules import has_link
from chat.core.reject import Rejection
from chat.core.room_settings import Links, RoomSettings, Shield, WhoMayPost
from chat.core.room_state import Author, RoomState
from chat.core.wire import Post

DOCS = Path(__file__).resolve().parents[2] / "docs"
USERS = {
    "guest": Author("g-1", "Owl"),
    "user with a token, role viewer": Author("ann", "Ann"),
    "bot": Author("bot", "Bot", Role.BOT),
    "moderator": Author("mia", "Mia", Role.MODERATOR),
    "host": Author("hal", "Hal", Role.HOST),
}
GUEST = USERS["guest"]
LINK = "see https://example.org/x"


def make_room(settings: RoomSettings, rate: float = 0) -> RoomState:
    return RoomState("demo", "e1", History(), RateLimit(1, rate), settings)


def post(
    room: RoomState, text: str = "hi", author: Author = GUEST, now: float = 0.0, ref: str = ""
) -> str | None:
    """Return the code with which a post is rejected, why it is held, or None."""
    outcome = room.admit(author, Post(text, ref or None), now, at=0)
    if isinstance(outcome, HeldComment):
        return f"held: {outcome.cause}"
    assert isinstance(outcome, Comment | Rejection)
    return outcome.code if isinstance(outcome, Rejection) else None


def try_rule(rule: str, author: Author) -> str | None:
    """Return the code with which a user's post against a rule is rejected."""
    match rule:
        case "who_may_post is signed_in":
            return post(make_room(RoomSettings(who_may_post=WhoMayPost.SIGNED_IN)), "hi", author)
        case "who_may_post is moderators":
            return post(make_room(RoomSettings(who_may_post=WhoMayPost.MODERATORS)), "hi", author)
        case "links":
            return post(make_room(RoomSettings(links=Links.REJECT)), LINK, author)
        case "hold_all":
            return post(make_room(RoomSettings(hold_all=True)), "hi", author)
        case "max_length":
            return post(make_room(RoomSettings(max_length=3)), "four", author)
        case "slow_mode":
            room = make_room(RoomSettings(slow_mode=5))
            assert post(room, "one", author) is None
            return post(room, "two", author)
        case "unique_seconds":
            room = make_room(RoomSettings(unique_seconds=5))
            assert post(room, "hi", GUEST) is None
            return post(room, "Ｈｉ", author)
        case "filters":
            room = make_room(RoomSettings())
            compiled = compile_filters([Filter(Match.WORD, "spam", Action.REJECT)])
            assert isinstance(compiled, FilterSet)
            room.filters.use(1, compiled)
            return post(room, "ＳＰＡＭ", author)
        case "rate of posts":
            room = make_room(RoomSettings(), rate=1)
            assert post(room, "one", author) is None
            return post(room, "two", author)
    raise AssertionError(rule)


def exemptions() -> list[tuple[str, str, bool]]:
    """Return for each rule and kind of user in the documentation whether a post is accepted."""
    table = (
        (DOCS / "moderation.md")
        .read_text()
        .split("Who has to keep to which rule:")[1]
        .split("##")[0]
    )
    lines = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
    head, _, *rows = [[cell.strip() for cell in line] for line in lines]
    return [
        (re.sub(r"[`\[\]]|\(.*\)", "", rule).strip(), user, cell in ("may post", "exempt"))
        for rules, *cells in rows
        for rule in (rules.split(",") if "," in rules else [rules])
        for user, cell in zip(head[1:], cells, strict=True)
    ]


@pytest.mark.parametrize(("rule", "user", "is_accepted"), exemptions())
def test_rule_applies_to_whom_the_documentation_says(
    rule: str, user: str, is_accepted: bool
) -> None:
    assert (try_rule(rule, USERS[user]) is None) == is_accepted


@pytest.mark.parametrize(
    ("rule", "user", "code"),
    [
        ("who_may_post is signed_in", "guest", "sign_in_needed"),
        ("who_may_post is moderators", "guest", "frozen"),
        ("links", "guest", "links"),
        ("max_length", "guest", "text_too_long"),
        ("unique_seconds", "guest", "repeated"),
        ("filters", "guest", "filtered"),
        ("hold_all", "guest", "held: hold_all"),
    ],
)
def test_rule_has_its_code(rule: str, user: str, code: str) -> None:
    assert try_rule(rule, USERS[user]) == code


@pytest.mark.parametrize(
    ("settings", "actions", "outcome"),
    [
        (RoomSettings(links=Links.HOLD), [], "held: links"),
        (RoomSettings(), [Action.HOLD], "held: filters"),
        (RoomSettings(), [Action.HOLD, Action.MASK], "held: filters"),
        (RoomSettings(links=Links.HOLD), [Action.HOLD], "held: links"),
        (RoomSettings(links=Links.HOLD, hold_all=True), [Action.MASK], "held: hold_all"),
        (RoomSettings(hold_all=True), [Action.REJECT], "filtered"),
        (RoomSettings(links=Links.REJECT, hold_all=True), [], "links"),
        (RoomSettings(shield=Shield(hold_all=True, links=Links.ALLOW)), [], "sign_in_needed"),
    ],
)
def test_comment_is_held_for_the_first_cause_unless_it_is_rejected(
    settings: RoomSettings, actions: list[Action], outcome: str
) -> None:
    room = make_room(settings)
    compiled = compile_filters([Filter(Match.WORD, "see", action) for action in actions])
    assert isinstance(compiled, FilterSet)
    room.filters.use(1, compiled)
    assert post(room, LINK) == outcome


def test_what_is_masked_is_masked_in_a_held_comment() -> None:
    room = make_room(RoomSettings(hold_all=True))
    compiled = compile_filters([Filter(Match.WORD, "see", Action.MASK)])
    assert isinstance(compiled, FilterSet)
    room.filters.use(1, compiled)
    held = room.admit(GUEST, Post("see you"), 0.0, at=0)
    assert isinstance(held, HeldComment)
    assert held.comment.text == "*** you"


@pytest.mark.parametrize(
    "text",
    [
        "https://example.org",
        "HTTP://EXAMPLE.ORG/a?b",
        "ｈｔｔｐｓ://example.org",
        "ftp://x.y",
        "go to www.example",
        "example.com",
        "buy at shop.example.co.uk now",
        "discord.gg/abc",
        "加群 t.me/abc",
        "（example.com）",
        "192.168.0.1:8080/x",
        "exаmple.cοm",  # Cyrillic and Greek letters
    ],
)
def test_text_has_a_link(text: str) -> None:
    assert has_link(text)


@pytest.mark.parametrize(
    "text",
    ["", "hi", "3.5", "wait...what", "e.g. this", "10:30", "u.s.a", "1.2.3", "ann@home", "Dr.Who?"],
)
def test_text_has_no_link(text: str) -> None:
    assert not has_link(text)


@pytest.mark.parametrize("text", ["a." * 500, "a-" * 500, "1.1.1." * 160, "www." * 250])
def test_long_text_is_searched_for_links_in_linear_time(text: str) -> None:
    # A search in quadratic time or worse would exceed this test's time-out many times over.
    for _ in range(100):
        has_link(text)


def test_length_is_counted_in_characters() -> None:
    room = make_room(RoomSettings(max_length=2))
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert post(room, family * 2) is None
    assert post(room, family * 3) == "text_too_long"


def test_rejected_post_tells_the_limit_of_the_room() -> None:
    outcome = make_room(RoomSettings(max_length=7)).admit(GUEST, Post("12345678"), 0.0, 0)
    assert isinstance(outcome, Rejection)
    assert "At most 7 characters" in outcome.message


def test_same_text_is_accepted_again_after_the_wait_that_was_named() -> None:
    room = make_room(RoomSettings(unique_seconds=10))
    assert post(room, "spam", now=100.0) is None
    outcome = room.admit(USERS["user with a token, role viewer"], Post("SPAM"), 103.5, 0)
    assert isinstance(outcome, Rejection)
    assert (outcome.code, outcome.status, outcome.retry_after) == ("repeated", 422, 6.5)
    assert post(room, "other", now=103.5) is None
    assert post(room, "spam", now=110.0) is None


def test_retry_of_a_post_that_was_not_stored_is_no_repetition() -> None:
    room = make_room(RoomSettings(unique_seconds=10))
    assert post(room, "once", ref="k1") is None
    assert post(room, "once", ref="k1") is None
    assert post(room, "once", ref="k2") == "repeated"
    room.withdraw(GUEST, Post("once", "k1"))
    assert post(room, "once", ref="k2") is None


def test_rule_that_is_turned_off_forgets_the_texts() -> None:
    room = make_room(RoomSettings(unique_seconds=10))
    assert post(room, "spam") is None
    room.settings = RoomSettings()
    assert post(room, "spam", now=1.0) is None
    room.settings = RoomSettings(unique_seconds=10)
    assert post(room, "other", now=2.0) is None


def test_texts_that_are_remembered_are_bounded_and_the_oldest_go_first() -> None:
    recent = RecentTexts(limit=20)
    recent.record("not recorded", None, 0.0)
    assert len(recent) == 0
    recent.seconds = 100
    for number in range(50):
        recent.record(f"text {number}", None, float(number))
    assert len(recent) == 20
    assert recent.wait("text 49", None, 50.0) == 99
    assert recent.wait("text 0", None, 50.0) == 0
