"""A room's filters: words and patterns, and what happens to comments that contain them.

It decides about texts; what is rejected, held or shadowed is up to the room.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Annotated

import msgspec

from chat.core.graphemes import split_graphemes
from chat.core.moderation.patterns import PatternList, explain_bad_pattern
from chat.core.moderation.words import Found, WordList, fold_word

MAX_FILTERS = 100_000
MAX_PATTERNS = 1_000
MAX_FILTER_CHARACTERS = 500
MASK = "*"


class Match(StrEnum):
    """How the text of a filter is searched for."""

    WORD = "word"
    PATTERN = "pattern"


class Action(StrEnum):
    """What happens to a comment that a filter matches; the first of these that applies."""

    REJECT = "reject"
    HOLD = "hold"
    SHADOW = "shadow"
    MASK = "mask"


class Filter(msgspec.Struct, frozen=True):
    """One filter; ``text`` is a word, a phrase or a regular expression of RE2."""

    match: Match
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_FILTER_CHARACTERS)]
    action: Action


class BadFilter(msgspec.Struct, frozen=True):
    """Why filters cannot be used; ``position`` is that of the filter, from 0."""

    position: int
    reason: str


class FilterVerdict(msgspec.Struct, frozen=True):
    """What happens to a comment. ``text`` has what the filters with ``mask`` matched replaced.

    ``matches`` are the filters that matched, each once.
    """

    action: Action
    matches: tuple[Filter, ...]
    text: str


class FilterSet:
    """The filters of a room, ready to be searched for. Made by ``compile_filters``."""

    def __init__(self, filters: Sequence[Filter]) -> None:
        # The stable order: of two words that are spelled alike, the one with the stronger action.
        ordered = sorted(filters, key=lambda one: _STRENGTH[one.action])
        self._words = [one for one in ordered if one.match is Match.WORD]
        self._patterns = [one for one in ordered if one.match is Match.PATTERN]
        self._word_list = WordList([one.text for one in self._words])
        self._pattern_list = PatternList([one.text for one in self._patterns])

    def __len__(self) -> int:
        return len(self._words) + len(self._patterns)

    @property
    def size(self) -> int:
        """The memory that the word search takes, in bytes."""
        return self._word_list.size

    def check(self, text: str) -> FilterVerdict | None:
        """Decide on a text that ``clean_text`` has returned; None if nothing matches."""
        words = self._word_list.find(text)
        patterns = self._pattern_list.find(text)
        if not words and not patterns:
            return None
        matches = [self._words[number] for number in dict.fromkeys(one.number for one in words)]
        matches += [self._patterns[number] for number in patterns]
        return FilterVerdict(
            action=min((one.action for one in matches), key=_STRENGTH.__getitem__),
            matches=tuple(matches),
            text=_mask(text, self._find_masked(text, words, patterns)),
        )

    def _find_masked(
        self, text: str, words: Sequence[Found], patterns: Sequence[int]
    ) -> Iterator[Found]:
        for one in words:
            if self._words[one.number].action is Action.MASK:
                yield one
        for number in patterns:
            if self._patterns[number].action is Action.MASK:
                yield from self._pattern_list.locate(number, text)


_STRENGTH = {action: strength for strength, action in enumerate(Action)}


def compile_filters(filters: Sequence[Filter]) -> FilterSet | BadFilter:
    """Return the filters ready for use, or the first that cannot be used.

    It takes some 300 ms for 50,000 words: call it in a thread.
    """
    if len(filters) > MAX_FILTERS:
        return BadFilter(MAX_FILTERS, f"there are more than {MAX_FILTERS:,} filters")
    patterns = 0
    for position, one in enumerate(filters):
        reason = None
        if one.match is Match.PATTERN:
            patterns += 1
            if patterns > MAX_PATTERNS:
                reason = f"there are more than {MAX_PATTERNS:,} patterns"
            else:
                reason = explain_bad_pattern(one.text)
        elif not fold_word(one.text):
            reason = "the word has no visible characters"
        if reason is not None:
            return BadFilter(position, reason)
    return FilterSet(filters)


def _mask(text: str, places: Iterable[Found]) -> str:
    """Replace each grapheme that a place touches."""
    is_masked = bytearray(len(text))
    for one in places:
        is_masked[one.start : one.stop] = b"\1" * (one.stop - one.start)
    if not any(is_masked):
        return text
    masked = []
    position = 0
    for grapheme in split_graphemes(text):
        start, position = position, position + len(grapheme)
        masked.append(MASK if any(is_masked[start:position]) else grapheme)
    return "".join(masked)
