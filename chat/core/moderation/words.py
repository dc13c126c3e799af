"""A list of words, and where they occur in a text.

``spelling.py`` has the rules by which a text contains a word. Besides,

- a word of at least three letters is found if its letters stand alone: "b a d", "b.a.d"
- what begins or ends with punctuation or a symbol is searched for as it is: "c++", an emoji
- nothing stands between digits: "1:1" does not contain "11".

The spellings are searched with an Aho-Corasick automaton, over their UTF-8 bytes: the time depends
on the length of the text and not on the number of words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ahocorasick import STORE_INTS, Automaton

from chat.core.folding import fold
from chat.core.moderation.spelling import (
    Spelled,
    is_in_word,
    spell,
    spell_all,
    trace,
    trace_folded,
)

MIN_SPREAD = 3
# Letters of the scripts before U+0E00 have words: Latin, Greek, Cyrillic, Arabic, Indic.
_SPREAD = re.compile(rf"(?<= )(?:[^\W\d_\u0e00-\U0010ffff] ){{{MIN_SPREAD},}}")
_DIGITS = re.compile(r"\d{2,}")
_LETTER = re.compile(r"[^\W\d_]")


class Found(NamedTuple):
    """Where a text has a word of a list, the one at index ``number``: ``text[start:stop]``."""

    number: int
    start: int
    stop: int


class WordList:
    """Words to search for. Of two that are spelled alike, the first is found."""

    def __init__(self, words: Sequence[str]) -> None:
        """Prepare the search. A word without visible characters never occurs."""
        self._terms = _Search()
        self._literals = _Search()
        self._lone_words: dict[str, int] = {}  # of letters only, which may stand alone
        self._digits: dict[int, list[str]] = {}
        for number, word in enumerate(words):
            folded = fold_word(word)
            if not folded:
                continue
            if not (_is_spelled(folded[0]) and _is_spelled(folded[-1])):
                self._literals.add(folded, number)
                continue
            spelled = spell(folded)
            self._terms.add(spelled, number)
            letters = spelled.strip()
            if len(letters) >= MIN_SPREAD and " " not in letters:
                self._lone_words.setdefault(letters, number)
            if digits := _DIGITS.findall(folded):
                self._digits[number] = digits
        self._terms.finish()
        self._literals.finish()
        self._lengths = sorted({len(word) for word in self._lone_words})

    @property
    def size(self) -> int:
        """The memory that the search takes, in bytes."""
        return self._terms.size + self._literals.size

    def find(self, text: str) -> list[Found]:
        """Return where words of the list occur in a text in NFC, in no particular order.

        An occurrence that several spellings have is returned several times.
        """
        found: list[Found] = []
        if self._literals:
            folded = fold(text)
            if places := [one for one in self._literals.find(folded) if _is_whole(folded, one)]:
                positions = trace_folded(text)
                found += [_place(*one, positions) for one in places]
        for spelled in spell_all(text):
            terms = spelled.terms
            places = [*self._terms.find(terms), *self._find_spread(terms)]
            if places:
                found += self._locate(text, spelled, places)
        return found

    def _find_spread(self, terms: str) -> Iterator[Found]:
        """Return the places in ``terms`` at which the letters of a word stand alone."""
        for run in _SPREAD.finditer(terms):
            letters = run[0][::2]
            for start in range(len(letters)):
                for length in self._lengths:
                    if start + length > len(letters):
                        break
                    number = self._lone_words.get(letters[start : start + length])
                    if number is not None:
                        place = run.start() + 2 * start
                        yield Found(number, place - 1, place + 2 * length)

    def _locate(self, text: str, spelled: Spelled, places: Sequence[Found]) -> Iterator[Found]:
        positions = trace(text, spelled)
        for number, before, behind in places:
            # Without the spaces around the terms.
            found = _place(number, before + 1, behind - 1, positions)
            part = fold(text[found.start : found.stop])
            if spelled.is_exact:
                is_right = _DIGITS.findall(part) == self._digits.get(number, [])
            else:
                # Digits and symbols alone are no word.
                is_right = number not in self._digits and _LETTER.search(part) is not None
            # A mark would make another character of the last one.
            if is_right and not _begins_with_mark(spelled.terms[behind:]):
                yield found


class _Search:
    """Where one of many strings is in another."""

    def __init__(self) -> None:
        self._automaton = Automaton(STORE_INTS)
        self._sizes: dict[int, int] = {}  # in bytes, by number

    def __bool__(self) -> bool:
        return bool(self._sizes)

    @property
    def size(self) -> int:
        return int(self._automaton.get_stats()["total_size"])

    def add(self, string: str, number: int) -> None:
        key = _as_bytes(string)
        if not self._automaton.exists(key):
            self._automaton.add_word(key, number)
            self._sizes[number] = len(key)

    def finish(self) -> None:
        """Prepare the search, after all strings have been added."""
        self._automaton.make_automaton()

    def find(self, text: str) -> Iterator[Found]:
        if not self._sizes:
            return
        searched = _as_bytes(text)
        for last, number in self._automaton.iter(searched):
            start, stop = last + 1 - self._sizes[number], last + 1
            if searched is not text:
                start, stop = _count_chars(searched[:start]), _count_chars(searched[:stop])
            yield Found(number, start, stop)


def fold_word(word: str) -> str:
    """Return a word as it is compared; empty if it has no visible characters."""
    return fold(unicodedata.normalize("NFC", word)).strip()


def _place(number: int, first: int, behind: int, positions: Sequence[int]) -> Found:
    return Found(number, positions[first], positions[behind - 1] + 1)


def _is_whole(text: str, found: Found) -> bool:
    """Return whether a word does not begin or end within a longer one."""
    _, start, stop = found
    return not (
        (start > 0 and is_in_word(text[start - 1]) and is_in_word(text[start]))
        or (stop < len(text) and is_in_word(text[stop]) and is_in_word(text[stop - 1]))
    )


def _is_spelled(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN"


def _begins_with_mark(text: str) -> bool:
    return bool(text) and unicodedata.category(text[0])[0] == "M"


def _as_bytes(text: str) -> str:
    # The automaton takes strings, and is 30 times faster if all their characters are below 256.
    return text if text.isascii() else text.encode().decode("latin-1")


def _count_chars(searched: str) -> int:
    return len(searched.encode("latin-1").decode())
