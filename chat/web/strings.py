"""The texts of the pages, in two languages, from ``templates/strings``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

LANGUAGES = ("en", "zh")


class Strings:
    """The catalogs: a flat JSON object a language, with the same keys in each."""

    def __init__(self, folder: Path) -> None:
        self._catalogs: dict[str, dict[str, str]] = {
            language: msgspec.json.decode(
                (folder / f"{language}.json").read_bytes(), type=dict[str, str]
            )
            for language in LANGUAGES
        }
        self._blocks = {language: self._make_block(language) for language in LANGUAGES}

    def choose(self, cookie: str | None, accept_language: str) -> str:
        """Choose the language: the one in the cookie, else the one that the browser prefers."""
        if cookie in LANGUAGES:
            return str(cookie)
        preferences: list[tuple[float, str]] = []
        for part in accept_language.lower().split(",")[:20]:
            tag, _, rest = part.strip().partition(";")
            try:
                weight = float(rest.strip().removeprefix("q=") or 1)
            except ValueError:
                weight = 0.0
            if weight > 0:
                preferences.append((-weight, tag.split("-")[0]))
        for _, language in sorted(preferences, key=lambda preference: preference[0]):
            if language in LANGUAGES:
                return language
        return LANGUAGES[0]

    def translator(self, language: str) -> Callable[..., str]:
        """Return ``t(key, **parameters)`` for a language."""
        catalog = self._catalogs[language]

        def translate(key: str, **parameters: object) -> str:
            return catalog[key].format(**parameters) if parameters else catalog[key]

        return translate

    def block(self, language: str) -> str:
        """Return a catalog as JSON that is safe inside a script element."""
        return self._blocks[language]

    def _make_block(self, language: str) -> str:
        text = msgspec.json.encode(self._catalogs[language]).decode()
        return (
            text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        )
