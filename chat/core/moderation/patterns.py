"""A list of regular expressions, and where they match in a text.

The syntax is RE2's, which matches in linear time: no pattern can make a text expensive. A pattern
is searched in the text as it is shown and in the folded text (``folding.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import re2

from chat.core.folding import fold
from chat.core.moderation.spelling import trace_folded
from chat.core.moderation.words import Found

# In bytes. The default of RE2 is 8 MiB for each pattern.
PROGRAM_LIMIT = 1 << 20
SET_LIMIT = 64 << 20


class PatternList:
    """Patterns to search for."""

    def __init__(self, patterns: Sequence[str]) -> None:
        """Compile the patterns; all of them have passed ``explain_bad_pattern``."""
        self._patterns = [
            re2.compile(pattern, _make_options(PROGRAM_LIMIT)) for pattern in patterns
        ]
        self._set = re2.Set.SearchSet(_make_options(SET_LIMIT))
        for pattern in patterns:
            self._set.Add(pattern)
        # Always matches. A set that runs out of memory reports that nothing matched.
        self._set.Add("")
        self._set.Compile()

    def find(self, text: str) -> list[int]:
        """Return the indexes of the patterns that match a text or its folded form, ascending."""
        if not self._patterns:
            return []
        return sorted({*self._find(text), *self._find(fold(text))})

    def _find(self, text: str) -> Sequence[int]:
        if numbers := self._set.Match(text):
            return [number for number in numbers if number < len(self._patterns)]
        return [number for number, one in enumerate(self._patterns) if one.search(text)]

    def locate(self, number: int, text: str) -> list[Found]:
        """Return where the pattern at index ``number`` matches a text."""
        folded = fold(text)
        found = self._locate(number, text, range(len(text)))
        return found + ([] if folded == text else self._locate(number, folded, trace_folded(text)))

    def _locate(self, number: int, text: str, positions: Sequence[int]) -> list[Found]:
        """Locate in ``text``, whose characters come from ``positions`` of the text shown."""
        return [
            Found(number, positions[match.start()], positions[match.end() - 1] + 1)
            for match in self._patterns[number].finditer(text)
            if match.end() > match.start()
        ]


def explain_bad_pattern(pattern: str) -> str | None:
    """Return why a pattern cannot be used, or None."""
    try:
        compiled = re2.compile(pattern, _make_options(PROGRAM_LIMIT))
    except re2.error as error:
        (reason,) = error.args
        return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
    return "it matches the empty text" if compiled.search("") else None


def _make_options(max_mem: int) -> re2.Options:
    options = re2.Options()
    options.max_mem = max_mem
    options.log_errors = False
    return options
