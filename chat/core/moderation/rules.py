"""A room's rules for posts: who may post, and which texts are accepted.

The rules are fields of the room's settings. Only viewers have to keep to those about texts; staff
are exempt. docs/moderation.md has the table. Waits are in ``limits.py``.
"""

from __future__ import annotations

import re

from msgspec.structs import replace

from chat.core.comment import reject_length
from chat.core.folding import fold
from chat.core.graphemes import count_graphemes
from chat.core.moderation.held import Cause
from chat.core.reject import Code, Rejection, reject
from chat.core.room_settings import Links, RoomSettings, WhoMayPost

# The domains that spam uses most, and those of the sites that people link to. A name that ends with
# another one is only a link behind a scheme or "www.", or before a path.
_DOMAINS = (
    "com|net|org|info|biz|app|dev|online|site|shop|store|live|club|link|click|top|vip|xyz|icu|pro"
    "|cn|tv|gg|me|io|co|cc|ru|de|uk|jp|kr|tk|ly|to|be|fr|us|in|tw|hk"
)
_LINK = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://|www\.)[^\s]"
    rf"|(?<![\w@.])(?:[\w-]+\.)+(?:(?:{_DOMAINS})(?![\w.-])|[a-z][a-z0-9-]+[:/][^\s])"
    r"|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}[:/]\S"
)


def find_rules(settings: RoomSettings) -> RoomSettings:
    """Return the settings with the rules that are in force: those of the shield where stricter."""
    shield = settings.shield
    if shield is None:
        return settings
    return replace(
        settings,
        who_may_post=max(settings.who_may_post, shield.who_may_post, key=list(WhoMayPost).index),
        slow_mode=max(settings.slow_mode, shield.slow_mode),
        unique_seconds=max(settings.unique_seconds, shield.unique_seconds),
        links=max(settings.links, shield.links, key=list(Links).index),
        max_length=min(settings.max_length, shield.max_length),
        hold_all=settings.hold_all or shield.hold_all,
    )


def check_author(settings: RoomSettings, is_guest: bool) -> Rejection | None:
    """Return why a user who is not of the staff may not post in the room now."""
    if settings.who_may_post is WhoMayPost.EVERYONE:
        return None
    if settings.who_may_post is WhoMayPost.MODERATORS:
        return reject(Code.FROZEN)
    return reject(Code.SIGN_IN_NEEDED) if is_guest else None


def check_text(settings: RoomSettings, text: str) -> Rejection | None:
    """Return why a viewer's clean text is not accepted in the room."""
    # A grapheme is at least one code point.
    limit = settings.max_length
    if len(text) > limit and count_graphemes(text) > limit:
        return reject_length(limit)
    if settings.links is Links.REJECT and has_link(text):
        return reject(Code.LINKS)
    return None


def find_hold(settings: RoomSettings, text: str) -> Cause | None:
    """Return why a viewer's text, which was accepted, waits for a moderator in the room."""
    if settings.hold_all:
        return Cause.HOLD_ALL
    return Cause.LINKS if settings.links is Links.HOLD and has_link(text) else None


def has_link(text: str) -> bool:
    """Return whether a text contains an address of the web, with or without a scheme."""
    # Most texts have none of these.
    folded = fold(text)
    return ("." in folded or "://" in folded) and _LINK.search(folded) is not None
