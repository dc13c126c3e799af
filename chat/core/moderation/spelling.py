"""Spells texts in one way, so that they can be searched for the words of a list.

A spelled text is a sequence of terms with a space before, between and after them: " you idiot ". A
term is a word of a script that puts spaces between words, a character of a script that does not
(Chinese, Japanese, Korean, Thai), or a digit. Everything else only separates terms. Words and
comments are spelled alike, and a comment contains a word if its spelling contains the word's. So
only whole words match, but a Chinese word matches anywhere, whatever separates its characters.

``spell`` folds each character (``folding.py``). Where digits and symbols stand beside Latin
letters, there are further spellings in which they are the letters that they resemble: "sp4m".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import regex

from chat.core.folding import characters_folded_to, fold

# A table keeps what it has looked up for so many characters: all of modern Chinese and Korean.
TABLE_LIMIT = 20_000

# Hangul is written with spaces, but particles follow a word without one.
_NO_SPACES = regex.compile(
    r"[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}\p{scx=Hangul}\p{scx=Yi}"
    r"\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}\p{scx=Tibetan}\p{scx=Tai_Le}"
    r"\p{scx=New_Tai_Lue}\p{scx=Tai_Tham}\p{scx=Tai_Viet}\p{scx=Javanese}\p{scx=Balinese}]"
)
_RESEMBLING = {
    "4": "a", "@": "a", "8": "b", "3": "e", "9": "g", "!": "i", "0": "o", "5": "s", "$": "s",
    "7": "t", "+": "t",
}  # fmt: skip
# One spelling has them as i, another as l.
_AMBIGUOUS = "1|"


class _Table(dict[int, str]):
    """What a character is spelled as, for ``str.translate``."""

    def __init__(self, resembling: Mapping[str, str]) -> None:
        super().__init__()
        self._resembling = resembling

    def __missing__(self, code: int) -> str:
        spelled = "".join(map(self._spell, fold(chr(code))))
        if len(self) < TABLE_LIMIT:
            self[code] = spelled
        return spelled

    def _spell(self, char: str) -> str:
        if (letter := self._resembling.get(char)) is not None:
            return letter
        if is_in_word(char):
            return char
        return f" {char} " if unicodedata.category(char)[0] in "LMN" else " "


def is_in_word(char: str) -> bool:
    """Return whether a character is a letter or mark of a script with spaces between words."""
    return unicodedata.category(char)[0] in "LM" and not _NO_SPACES.match(char)


_PLAIN = _Table({})
_LIKE_I = _Table(_RESEMBLING | dict.fromkeys(_AMBIGUOUS, "i"))
_LIKE_L = _Table(_RESEMBLING | dict.fromkeys(_AMBIGUOUS, "l"))
_SYMBOLS = re.escape("".join(_RESEMBLING) + _AMBIGUOUS)
_MAY_BE_MIXED = frozenset(characters_folded_to("".join(_RESEMBLING) + _AMBIGUOUS))
_MIXED = re.compile(f"[a-z][{_SYMBOLS}]|[{_SYMBOLS}][a-z]")
_MAY_BE_AMBIGUOUS = frozenset(characters_folded_to(_AMBIGUOUS))
# At the end of a word these are punctuation, as in "spam!".
_ENDING = re.compile(rf"[{re.escape(''.join(characters_folded_to('!+')))}]+(?!\w)")


class Spelled(NamedTuple):
    """A spelling of a text; ``trace`` needs the table that it was made with."""

    terms: str
    table: _Table

    @property
    def is_exact(self) -> bool:
        """Whether digits and symbols are not letters in it."""
        return self.table is _PLAIN


def spell(text: str) -> str:
    """Return the spelling of a word or a text, with digits as digits; " " if it has no terms."""
    return _join(text.translate(_PLAIN))


def spell_all(text: str) -> Iterator[Spelled]:
    """Return all spellings of a text: one, two or three."""
    yield Spelled(_join(text.translate(_PLAIN)), _PLAIN)
    # First the test that costs next to nothing.
    if not _MAY_BE_MIXED.isdisjoint(text) and _MIXED.search(fold(text)):
        text = _blank_endings(text)
        yield Spelled(_join(text.translate(_LIKE_I)), _LIKE_I)
        if not _MAY_BE_AMBIGUOUS.isdisjoint(text):
            yield Spelled(_join(text.translate(_LIKE_L)), _LIKE_L)


def _join(spelled: str) -> str:
    terms = spelled.split()
    return f" {' '.join(terms)} " if terms else " "


def _blank_endings(text: str) -> str:
    return _ENDING.sub(lambda match: " " * len(match[0]), text)


def trace(text: str, spelled: Spelled) -> list[int]:
    """Return for each character of ``spelled.terms`` the position in ``text`` that it comes from.

    For a space it is that of the separator or of the next term.
    """
    source = text if spelled.is_exact else _blank_endings(text)
    positions: list[int] = []
    is_after_space = False
    for position, char in enumerate(" " + source + " ", -1):
        for part in char.translate(spelled.table):
            if part != " " or not is_after_space:
                positions.append(min(max(position, 0), len(text)))
            is_after_space = part == " "
    assert len(positions) == len(spelled.terms)
    return positions


def trace_folded(text: str) -> list[int]:
    """Return for each character of the folded text the position in ``text`` that it comes from."""
    return [position for position, char in enumerate(text) for _ in fold(char)]
