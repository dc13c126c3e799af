"""Which names look alike, so that nobody can be taken for a moderator."""

from __future__ import annotations

import unicodedata

from chat.core.character_tables import CONFUSABLES
from chat.core.folding import fold

_CODES, _TARGETS = CONFUSABLES.split()[::2], CONFUSABLES.split()[1::2]
_CONFUSABLES = {int(code, 16): target for code, target in zip(_CODES, _TARGETS, strict=True)}
# UTS 39 tells these apart by their case, which folding has removed.
_DIGITS = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l"})


def skeleton(name: str) -> str:
    """Return what a name looks like: names with the same skeleton can be taken for each other.

    As in UTS 39 (section 4, Confusable Detection), after folding; without spaces and punctuation,
    unless the name has nothing else. It is for comparison and is never shown.
    """
    folded = fold(unicodedata.normalize("NFC", name)).translate(_CONFUSABLES).translate(_DIGITS)
    letters = "".join(char for char in folded if unicodedata.category(char)[0] not in "ZP")
    return (letters or folded.strip()).replace("m", "rn").replace("w", "vv")
