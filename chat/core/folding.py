"""One spelling for texts that read the same, to compare them with hidden or forbidden words.

``fold`` replaces each code point by what the table has for it (``character_tables.py``, made by
``tools/make_character_tables.py``; static/js/room/folding.js reads the same one):

- width, fonts and ligatures: compatibility decomposition, NFKD (UAX 15)
- case: full case folding (Unicode Standard, section 3.13)
- what draws no ink: Default_Ignorable_Code_Point (UAX 44, DerivedCoreProperties), format, control
  and private-use characters, noncharacters; every blank becomes a space
- marks that decorate: those of Latin, Greek, Cyrillic, Hebrew, Arabic and of no script. The vowel
  signs of other scripts spell words and stay
- look-alikes: letters of other alphabets that pass as Latin (UTS 39, confusables.txt), Latin
  letters with a stroke or hook, small capitals, letters in discs and squares, curly quotes
- digits of all scripts

A folded text is for comparison and never shown. It is no promise that two texts look alike: the
capital I and the small l stay different, and so do digits and the letters they resemble, because
numbers are said more often than letters are written with them.
"""

from __future__ import annotations

from chat.core.character_tables import FOLDS, INVISIBLE, SPACES
from chat.core.graphemes import read_ranges


def _read_folds() -> dict[int, str]:
    folds: dict[int, str] = {}
    for line in FOLDS:
        first, *targets = line.split(" ")
        for code, target in enumerate(targets, int(first, 16)):
            folds[code] = target.replace("␣", " ")
    for written, target in ((INVISIBLE, ""), (SPACES, " ")):
        folds |= {code: target for codes in read_ranges(written) for code in codes}
    return folds


_FOLDS = _read_folds()


def fold(text: str) -> str:
    """Fold a text that is in NFC; it takes linear time, and folding twice changes nothing."""
    return text.translate(_FOLDS)
