"""Comments, and the cleaning of texts and names before they are shown.

Nothing is truncated: text that is too long is rejected.
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum

import msgspec
import regex

from chat.core.graphemes import count_graphemes, is_overloaded
from chat.core.reject import Code, Rejection, reject

MAX_TEXT_GRAPHEMES = 100
MAX_TEXT_BYTES = 1_000
MAX_NAME_GRAPHEMES = 24
MAX_NAME_BYTES = 200
# Before cleaning a text may have this many code points for each byte of its limit. Longer text is
# rejected before any other work is done on it.
RAW_FACTOR = 2

WHITE = "#ffffff"

# Controls, bidi overrides, isolates and embeddings, and the byte-order mark: they change how the
# text around them is shown (Unicode TR 36, section 2.5). Noncharacters, which other formats cannot
# carry (XML 1.0, section 2.2). Joiners and the tag characters of flag emoji stay: without them a
# family emoji falls apart.
_UNSAFE = regex.compile(
    r"[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}\u202a-\u202e\u2066-\u2069\ufeff]"
)
_LINE_SPACE = regex.compile(r"[\t\n\v\f\r\x85\u2028\u2029]")
# Characters without a visible glyph: spaces, default-ignorable code points (UAX 44), and the blank
# braille pattern, which is a letter in Unicode but is invisible.
_NO_INK = regex.compile(r"[\p{Z}\p{C}\p{Default_Ignorable_Code_Point}\u2800]*")
_SPACES = regex.compile(r"\s+")


class Mode(StrEnum):
    """Where a comment is shown."""

    SCROLL = "scroll"
    TOP = "top"
    BOTTOM = "bottom"


class Size(StrEnum):
    """How large a comment is drawn."""

    SMALL = "small"
    NORMAL = "normal"
    LARGE = "large"


class Role(StrEnum):
    """What a user may do in a room; only a signed token gives another role than viewer."""

    VIEWER = "viewer"
    MODERATOR = "moderator"
    HOST = "host"
    BOT = "bot"

    @property
    def is_staff(self) -> bool:
        """Whether the room's owner has given the user this role."""
        return self is not Role.VIEWER


MODERATORS = (Role.MODERATOR, Role.HOST)
"""The roles that may do what moderators do."""


class Comment(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="comment"
):
    """A comment as an entry of the journal; ``at`` is the server's clock in Unix milliseconds.

    ``seq`` is 0 until the journal has numbered it.
    """

    seq: int
    user: str
    name: str
    text: str
    at: int
    mode: Mode = Mode.SCROLL
    color: str = WHITE
    size: Size = Size.NORMAL
    role: Role = Role.VIEWER


def clean_text(raw: str) -> str | Rejection:
    """Return the text as it may be shown, or why it may not."""
    text = _clean(raw, MAX_TEXT_BYTES)
    if text is None:
        return reject_length()
    if _NO_INK.fullmatch(text):
        return reject(Code.TEXT_EMPTY)
    if _is_longer(text, MAX_TEXT_GRAPHEMES, MAX_TEXT_BYTES):
        return reject_length()
    return text


def reject_length(limit: int = MAX_TEXT_GRAPHEMES) -> Rejection:
    """Return the rejection of a text that has more than ``limit`` characters, or too many bytes."""
    return reject(Code.TEXT_TOO_LONG, detail=str(limit))


def is_too_long_to_clean(raw: str) -> bool:
    """Return whether a text is so long that it is rejected before any character is checked."""
    return len(raw) > RAW_FACTOR * MAX_TEXT_BYTES


def clean_name(raw: str) -> str | Rejection:
    """Return the name as it may be shown, or why it may not."""
    name = clean_line(raw, MAX_NAME_GRAPHEMES, MAX_NAME_BYTES)
    if name is None:
        return reject(Code.NAME_TOO_LONG)
    return name or reject(Code.NAME_EMPTY)


def clean_line(raw: str, graphemes: int, size: int) -> str | None:
    """Return a name or a title as it may be shown, or None when it is too long.

    It is empty when there is nothing to see in it. ``size`` is in bytes of UTF-8.
    """
    line = _clean(raw, size)
    if line is None:
        return None
    if _NO_INK.fullmatch(line):
        return ""
    line = _SPACES.sub(" ", line)
    return None if _is_longer(line, graphemes, size) else line


def _clean(raw: str, size: int) -> str | None:
    """Return the clean text, or None when it is too long to be cleaned.

    ``size`` is the limit of the clean text in bytes. Each step is bounded by the one before: first
    the length, then the marks in a row, because NFC sorts them in quadratic time.
    """
    if len(raw) > RAW_FACTOR * size:
        return None
    if raw.isascii() and raw.isprintable():
        return raw.strip()
    text = _UNSAFE.sub("", _LINE_SPACE.sub(" ", raw))
    if is_overloaded(text):
        return None
    text = unicodedata.normalize("NFC", text).strip()
    # A few characters are decomposed by NFC, and so have more marks than before.
    return None if is_overloaded(text) else text


def _is_longer(text: str, graphemes: int, size: int) -> bool:
    # A grapheme is at least one code point and a code point at most four bytes, so a short text
    # is known to fit without counting either.
    if len(text) <= graphemes and len(text) * 4 <= size:
        return False
    return len(text.encode()) > size or count_graphemes(text) > graphemes


_GUEST_ADJECTIVES = """
    Amber Autumn Brave Bright Calm Clever Cosmic Crimson Curious Daring Eager Gentle Golden Happy
    Jade Jolly Lively Lucky Lunar Mellow Merry Misty Nimble Polar Proud Quick Quiet Rosy Silver
    Snowy Sunny Swift Tidy Velvet Violet Wandering Warm Wild Windy Witty
""".split()
_GUEST_ANIMALS = """
    Badger Beaver Crane Deer Dolphin Eagle Falcon Finch Fox Gecko Hare Hedgehog Heron Ibis Koala
    Lark Lemur Lynx Magpie Marten Mole Moose Newt Otter Owl Panda Penguin Puffin Rabbit Raven
    Robin Seal Sparrow Squirrel Swan Tapir Tiger Turtle Whale Wren
""".split()


def guest_name(number: int) -> str:
    """Return a readable name for a guest; ``number`` is any integer from 0, drawn at random."""
    number, animal = divmod(number, len(_GUEST_ANIMALS))
    number, adjective = divmod(number, len(_GUEST_ADJECTIVES))
    return f"{_GUEST_ADJECTIVES[adjective]} {_GUEST_ANIMALS[animal]} {number % 100}"
