"""A room's state: decides which posts are admitted, and remembers their refs.

The journal numbers and stores entries, the fan-out sends them.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import msgspec
from msgspec import Raw

from chat.core.comment import (
    WHITE,
    Comment,
    Role,
    clean_text,
    is_too_long_to_clean,
    reject_length,
)
from chat.core.entry import HiddenBody, Shadowed, decode_entry
from chat.core.history import History
from chat.core.limits import RateLimit, RecentTexts, SlowMode
from chat.core.moderation.acts import SanctionAct
from chat.core.moderation.filters import Action
from chat.core.moderation.held import Cause, HeldComment, HeldKey, HeldQueue
from chat.core.moderation.hidden import HiddenComments
from chat.core.moderation.room_filters import RoomFilters
from chat.core.moderation.rules import check_author, check_text, find_hold, find_rules
from chat.core.moderation.sanctions import Sanctions
from chat.core.moderation.staff_names import StaffName, StaffNames
from chat.core.reject import Code, Rejection, reject
from chat.core.retraction import Removal, Retraction, encode_retracted, removes
from chat.core.room_settings import RoomSettings
from chat.core.wire import Post

REF_SECONDS = 120.0
REF_LIMIT = 50_000
GUEST_PREFIX = "g-"


class Author(msgspec.Struct):
    """The user behind a viewer; ``chose_name`` if a guest chose the name.

    ``rate_limit_key`` replaces the user in rate limits if each post has a new user.
    """

    user: str
    name: str
    role: Role = Role.VIEWER
    chose_name: bool = False
    rate_limit_key: str = ""

    @property
    def is_guest(self) -> bool:
        """Whether this server created the user; all others were named by a token."""
        return self.user.startswith(GUEST_PREFIX)


class Duplicate(msgspec.Struct, frozen=True):
    """A post that was accepted before, under ``seq``."""

    seq: int


class RoomState:
    """One room: its epoch, recent history, settings, limits on posting, and accepted refs."""

    __slots__ = (
        "_limits",
        "_recent_texts",
        "_ref_limit",
        "_refs",
        "_rules",
        "_settings",
        "_slow_mode",
        "epoch",
        "filters",
        "held",
        "hidden",
        "history",
        "name",
        "sanctions",
        "staff_names",
    )

    def __init__(
        self,
        name: str,
        epoch: str,
        history: History,
        limits: RateLimit,
        settings: RoomSettings | None = None,
        ref_limit: int = REF_LIMIT,
        sanctions: Iterable[SanctionAct] = (),
        held: Iterable[HeldKey] = (),
        acts: int = 0,
        names: Iterable[StaffName] = (),
        hidden: Mapping[int, HiddenBody] = MappingProxyType({}),
    ) -> None:
        self.name = name
        self.epoch = epoch
        self.history = history
        self._limits = limits
        self._ref_limit = ref_limit
        self._slow_mode = SlowMode()
        self._recent_texts = RecentTexts()
        self.settings = settings or RoomSettings()
        self.sanctions = Sanctions(sanctions)
        self.filters = RoomFilters()
        self.held = HeldQueue(held, acts)
        self.staff_names = StaffNames(names)
        self.hidden = HiddenComments(hidden)
        # (user, ref) -> (seq, when), oldest first
        self._refs: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()

    @property
    def settings(self) -> RoomSettings:
        """The room's settings; new rules apply at once."""
        return self._settings

    @settings.setter
    def settings(self, settings: RoomSettings) -> None:
        self._settings = settings
        self._rules = find_rules(settings)
        self._slow_mode.seconds = self._rules.slow_mode
        self._recent_texts.seconds = self._rules.unique_seconds

    def encode_settings(self) -> Raw:
        """Return the settings as JSON."""
        return Raw(msgspec.json.encode(self._settings))

    def admit(
        self, author: Author, post: Post, now: float, at: int, address: str = ""
    ) -> Comment | Shadowed | HeldComment | Duplicate | Rejection:
        """Decide on a post: a comment is posted at once, for all or shadowed, or held.

        ``now`` is the monotonic clock in seconds, ``at`` the server's clock in Unix milliseconds,
        ``address`` the hash of the sender's address. A post whose ref was accepted in the last two
        minutes is a ``Duplicate`` and costs no token.
        """
        if post.ref is not None:
            seq, when = self._refs.get((author.user, post.ref), (0, -math.inf))
            if when > now - REF_SECONDS:
                return Duplicate(seq)
        # The cheapest check first: the length, then the rates, then the content.
        if is_too_long_to_clean(post.text):
            return reject_length()
        is_staff = author.role.is_staff
        if not is_staff and (rejection := self._check_sanctions(author, at, address)) is not None:
            return rejection
        if not is_staff and (rejection := check_author(self._rules, author.is_guest)):
            return rejection
        if not is_staff and (rejection := self.filters.check_ready()) is not None:
            return rejection
        if not is_staff and (rejection := self.staff_names.check(author.user, author.name)):
            return rejection
        sender = author.rate_limit_key or author.user
        known_by = None if post.ref is None else (author.user, post.ref)
        if not is_staff and (wait := self._slow_mode.wait(sender, known_by, now)):
            return reject(Code.SLOW_MODE, retry_after=_round_up(wait))
        if wait := self._limits.take(sender, now):
            return reject(Code.TOO_FAST, retry_after=_round_up(wait))
        text: str | Rejection = clean_text(post.text)
        cause, is_shadowed = None, False
        if not isinstance(text, Rejection) and not is_staff:
            text, cause, is_shadowed = self._check_text(text, known_by, now)
        if isinstance(text, Rejection):
            self._limits.give_back(sender)
            return text
        if not is_staff:
            self._slow_mode.record(sender, known_by, now)
        comment = Comment(
            seq=0,
            user=author.user,
            name=author.name,
            text=text,
            at=at,
            mode=post.mode,
            # The default object itself: msgspec omits defaults by identity.
            color=WHITE if post.color.lower() == WHITE else post.color.lower(),
            size=post.size,
            role=author.role,
        )
        if is_shadowed or (
            not is_staff
            and self.sanctions.is_shadowed(author.user, at, address if author.is_guest else "")
        ):
            return Shadowed(comment)
        return comment if cause is None else HeldComment(comment, cause)

    def _check_sanctions(self, author: Author, at: int, address: str) -> Rejection | None:
        # Users with tokens are known by name: they are not sanctioned for their address.
        return self.sanctions.check(author.user, at, address if author.is_guest else "")

    def _check_text(
        self, text: str, known_by: object, now: float
    ) -> tuple[str | Rejection, Cause | None, bool]:
        """Return a viewer's text as it is shown, why it is held, and whether it is shadowed.

        Or why it is rejected.
        """
        rules = self._rules
        if rejection := check_text(rules, text):
            return rejection, None, False
        if rules.unique_seconds and (wait := self._recent_texts.wait(text, known_by, now)):
            return reject(Code.REPEATED, retry_after=_round_up(wait)), None, False
        verdict, cause = self.filters.check(text), find_hold(rules, text)
        if verdict is not None and verdict.action is Action.REJECT:
            return reject(Code.FILTERED), None, False
        if rules.unique_seconds:
            self._recent_texts.record(text, known_by, now)
        if verdict is None:
            return text, cause, False
        if verdict.action is Action.HOLD:
            cause = cause or Cause.FILTERS
        return verdict.text, cause, verdict.action is Action.SHADOW and cause is None

    def withdraw(self, author: Author, post: Post) -> None:
        """Undo the accounting of an admitted post that was not stored."""
        sender = author.rate_limit_key or author.user
        self._limits.give_back(sender)
        self._slow_mode.forget(sender)
        if isinstance(text := clean_text(post.text), str):
            self._recent_texts.forget(text)

    def remove(self, removal: Removal) -> None:
        """Replace the comments that a removal removes in the history, as the archive does."""
        history = self.history
        self.hidden.remove(removal)
        if isinstance(removal, Retraction):
            first, last = removal.target, removal.target
        else:
            first, last = history.first, removal.before
        for seq in range(max(first, history.first), min(last, history.head) + 1):
            entry = decode_entry(history.slice(seq, seq)[0]).entry
            # Only comments are removed; the archive checks the same.
            if isinstance(entry, Comment) and removes(removal, seq, entry.user):
                history.replace(seq, encode_retracted(seq))

    def count_refs(self) -> int:
        """Return the number of refs that are remembered."""
        return len(self._refs)

    def count_limited(self) -> int:
        """Return the number of users whose posting budget is not full."""
        return len(self._limits)

    def count_slowed(self) -> int:
        """Return the number of senders that slow mode tracks."""
        return len(self._slow_mode)

    def remember(self, user: str, ref: str, seq: int, now: float) -> None:
        """Remember an accepted post, so that a retry gets the same result."""
        refs = self._refs
        refs[(user, ref)] = (seq, now)
        while refs:
            key, (_, when) = next(iter(refs.items()))
            if len(refs) <= self._ref_limit and when > now - REF_SECONDS:
                break
            del refs[key]


def _round_up(seconds: float) -> float:
    # Up to milliseconds: a client that waits this long must not be too fast again.
    return math.ceil(seconds * 1000) / 1000
