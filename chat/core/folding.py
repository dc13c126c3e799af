"""Folds text, so that spellings which read the same compare as equal.

``fold`` maps each code point by a table that the server and the pages share. The table is in
``character_tables.py``, which ``tools/make_character_tables.py`` generates. It covers

- width, font and ligatures: compatibility decomposition, NFKD (UAX 15)
- case: full case folding (Unicode Standard, section 3.13)
- invisible characters: Default_Ignorable_Code_Point (UAX 44, DerivedCoreProperties), control,
  format and private-use characters and noncharacters are removed; white space becomes U+0020
- combining marks: those of Latin, Greek, Cyrillic, Hebrew and Arabic and those of no script are
  removed. In other scripts marks spell vowels, so they stay
- look-alikes: letters of other alphabets that look like Latin ones (UTS 39, confusables.txt), Latin
  letters with a stroke or hook, small capitals, circled and squared letters, typographic quotes
- digits of all scripts, which become those of ASCII

Folded text is for comparison and is never shown. Digits are not folded to the letters that they
resemble, because that would make words of numbers; code that compares words may do so, as
static/js/room/hidden-words.js does.
"""

from __future__ import annotations

import re

from chat.core.character_tables import FOLDS, INVISIBLE, SPACES
from chat.core.graphemes import read_ranges

# A range of the invisible code points that is longer is no part of the table but of an expression:
# the private-use planes alone would take 10 MB and, at each start, 20 ms.
_LONGEST_RANGE = 1_000


def _read_folds() -> dict[int, str]:
    folds: dict[int, str] = {}
    for line in FOLDS:
        first, *targets = line.split(" ")
        if "␣" in line:
            targets = [target.replace("␣", " ") for target in targets]
        folds.update(enumerate(targets, int(first, 16)))
    for written, target in ((INVISIBLE, ""), (SPACES, " ")):
        for codes in read_ranges(written):
            if len(codes) <= _LONGEST_RANGE:
                folds.update(dict.fromkeys(codes, target))
    return folds


_FOLDS = _read_folds()
_LONG_RANGES = re.compile(
    "["
    + "".join(
        f"{chr(codes[0])}-{chr(codes[-1])}"
        for codes in read_ranges(INVISIBLE)
        if len(codes) > _LONGEST_RANGE
    )
    + "]"
)


def fold(text: str) -> str:
    """Fold a text in NFC, in linear time; folding it again changes nothing."""
    return _LONG_RANGES.sub("", text).translate(_FOLDS)


def characters_folded_to(targets: str) -> list[str]:
    """Return all characters that are folded to one of ``targets``, those included."""
    return [*targets, *(chr(code) for code, to in _FOLDS.items() if len(to) == 1 and to in targets)]
