"""Counts characters, by the same rule as static/js/room/graphemes.js.

A character is an extended grapheme cluster (UAX 29, Unicode 17) with bounds on its size: conjoining
jamo count as one only if they form a syllable, and emoji sequences and Indic conjuncts only up to
``MAX_LINKS``. The rule works on one class per code point, from a table that the server and the
pages share, so the count does not depend on the version of a browser or library.

This module only counts; ``comment.py`` cleans and rejects text.
"""

from __future__ import annotations

import re

import regex

from chat.core.character_tables import GRAPHEME_CLASSES

# More marks than any script needs are drawn over the lines above and below. Tibetan stacks, Hebrew
# with cantillation and the flag of Wales have up to seven code points after the first. Vietnamese,
# IPA and Quranic Arabic put up to four general marks (script Inherited) on a letter.
MAX_MARKS = 8
MAX_GENERAL_MARKS = 4
# An emoji of a family of four has three links, the longest Sanskrit conjuncts have five. Fonts show
# longer sequences as separate characters, so they are counted as such.
MAX_LINKS = 5


class _Classes(dict[int, str]):
    """The class letter of each code point; "x" for those that the table does not list."""

    def __missing__(self, code: int) -> str:
        return "H" if 0xAC00 <= code <= 0xD7A3 else "x"


def read_ranges(written: str) -> list[range]:
    """Return the code points that a line of the tables lists."""
    bounds = (one.partition("-") for one in written.split())
    return [range(int(first, 16), int(last or first, 16) + 1) for first, _, last in bounds]


_CLASSES = _Classes(
    (code, letter)
    for letter, written in GRAPHEME_CLASSES.items()
    for codes in read_ranges(written)
    for code in codes
)

# The classes: C control, E extend and in it Z joiner, J non-joiner, N linker of a
# conjunct, G general mark; S spacing mark, P prepended, L V T jamo, H Hangul syllable, R regional
# indicator, K consonant of a conjunct, X pictograph.
_MARK = "[EZJNGS]"
_GRAPHEME = re.compile(
    "P?(?:"
    f"X(?:[EJNG]*ZX){{1,{MAX_LINKS}}}(?![EJNG]*ZX)"  # GB11: emoji sequences
    f"|K(?:[EZG]*N[EZGN]*K){{1,{MAX_LINKS}}}(?![EZG]*N[EZGN]*K)"  # GB9c: conjuncts such as क्त
    "|RR"  # GB12: flags
    "|LVT?|HT?"
    "|[^CP]"
    f"){_MARK}*"
    f"|P{_MARK}*"
    "|C"
)
# A fast test first: few texts have that many code points in a row that are marks in any version of
# Unicode, and only those are classified.
_MAYBE_MARKED = regex.compile(
    rf"[\p{{M}}\p{{C}}\p{{Sk}}\p{{Lm}}\u0e33\u0eb3]{{{min(MAX_MARKS, MAX_GENERAL_MARKS) + 1}}}"
)
_OVERLOADED = re.compile(f"{_MARK}{{{MAX_MARKS + 1}}}|(?:G[EZJNS]*){{{MAX_GENERAL_MARKS + 1}}}")


def count_graphemes(text: str) -> int:
    """Count the characters of a text."""
    return len(_GRAPHEME.findall(text.translate(_CLASSES)))


def split_graphemes(text: str) -> list[str]:
    """Return the characters of a text."""
    # There is one class for each code point.
    return [
        text[match.start() : match.end()] for match in _GRAPHEME.finditer(text.translate(_CLASSES))
    ]


def is_overloaded(text: str) -> bool:
    """Return whether a character of a text has more marks than any script needs."""
    if not _MAYBE_MARKED.search(text):
        return False
    return _OVERLOADED.search(text.translate(_CLASSES)) is not None
