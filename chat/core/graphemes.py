"""Characters as a reader counts them, by the same rule as static/js/room/graphemes.js.

The rule is that of extended grapheme clusters (UAX 29, Unicode 17), bounded to what is shown as
one: jamo count as one only where they make a syllable, and a family of pictographs or a conjunct of
consonants has at most so many members. The rule reads one class for each code point, from a table
that server and pages share, so it is the same in every browser and with every version of a library.

It counts and does not change a text. The text is clean and in NFC.
"""

from __future__ import annotations

import re

import regex

from chat.core.character_tables import GRAPHEME_CLASSES

# Letters with more marks than any writing needs: they are drawn over what is above and below. A
# Tibetan stack, Hebrew with cantillation, the flag of Wales have up to seven code points behind
# their first; Vietnamese, a transcription in IPA or the Quran put up to four general marks on one.
MAX_MARKS = 8
MAX_GENERAL_MARKS = 4
# A family of four has three links, the longest conjuncts of Sanskrit five; what has more is shown
# one by one and counted so.
MAX_LINKS = 5


class _Classes(dict[int, str]):
    """The letter of each code point's class; what it does not hold is a plain character."""

    def __missing__(self, code: int) -> str:
        return "H" if 0xAC00 <= code <= 0xD7A3 else "x"


def read_ranges(written: str) -> list[range]:
    """Return the code points of a table's line."""
    bounds = (one.partition("-") for one in written.split())
    return [range(int(first, 16), int(last or first, 16) + 1) for first, _, last in bounds]


_CLASSES = _Classes(
    (code, letter)
    for letter, written in GRAPHEME_CLASSES.items()
    for codes in read_ranges(written)
    for code in codes
)

# The names of the classes: C control, E extend and in it Z joiner, J non-joiner, N linker of a
# conjunct, G general mark; S spacing mark, P prepended, L V T jamo, H Hangul syllable, R regional
# indicator, K consonant of a conjunct, X pictograph.
_MARK = "[EZJNGS]"
_GRAPHEME = re.compile(
    "P?(?:"
    f"X(?:[EJNG]*ZX){{1,{MAX_LINKS}}}(?![EJNG]*ZX)"  # GB11: a family
    f"|K(?:[EZG]*N[EZGN]*K){{1,{MAX_LINKS}}}(?![EZG]*N[EZGN]*K)"  # GB9c: क्त
    "|RR"  # GB12: a flag
    "|LVT?|HT?"
    "|[^CP]"
    f"){_MARK}*"
    f"|P{_MARK}*"
    "|C"
)
# Few texts have anything in a row that could be marks, in whatever version of Unicode; the others
# are known to be fine without their classes.
_MAYBE_MARKED = regex.compile(
    rf"[\p{{M}}\p{{C}}\p{{Sk}}\p{{Lm}}\u0e33\u0eb3]{{{min(MAX_MARKS, MAX_GENERAL_MARKS) + 1}}}"
)
_OVERLOADED = re.compile(f"{_MARK}{{{MAX_MARKS + 1}}}|(?:G[EZJNS]*){{{MAX_GENERAL_MARKS + 1}}}")


def count_graphemes(text: str) -> int:
    """Count the characters that a reader sees in a text."""
    return len(_GRAPHEME.findall(text.translate(_CLASSES)))


def is_overloaded(text: str) -> bool:
    """Tell whether a character of a text bears more marks than any writing needs."""
    if not _MAYBE_MARKED.search(text):
        return False
    return _OVERLOADED.search(text.translate(_CLASSES)) is not None
