"""Texts in many scripts, at random, for rules that hold for any text."""

from __future__ import annotations

import random
import unicodedata

import regex

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
SCRIPTS = """
    Latin Greek Cyrillic Armenian Hebrew Arabic Syriac Thaana Devanagari Bengali Gurmukhi Gujarati
    Oriya Tamil Telugu Kannada Malayalam Sinhala Thai Lao Tibetan Myanmar Georgian Hangul Ethiopic
    Khmer Mongolian Balinese Javanese Tai_Tham Brahmi Grantha Han Hiragana Katakana
""".split()
ALL = "".join(map(chr, range(0x110000)))


def known(pattern: str) -> list[str]:
    """Return the characters of a pattern that this Python knows: it must compose them too."""
    return [char for char in regex.findall(pattern, ALL) if unicodedata.category(char) != "Cn"]


POOLS = [known(rf"\p{{{script}}}") for script in SCRIPTS]
MARKS = known(r"[\p{Script=Inherited}\u200c\u200d]")
OTHERS = [*known(r"[\p{Extended_Pictographic}\p{Regional_Indicator}]"), *"ab 1\n\t\u200b\u00ad"]
OTHERS += ["\u0600", "\U0001f3fb", "\U0001f3ff", "\u2028", "\ufffe", "\u202e", FAMILY]


def random_texts(count: int, seed: int) -> list[str]:
    """Return texts of one script each, with marks, joiners and pictographs among its letters."""
    chance = random.Random(seed)
    texts = []
    for number in range(count):
        pools = [POOLS[number % len(POOLS)]] * 3 + [MARKS, OTHERS]
        size = chance.randrange(1, 60)
        texts.append("".join(chance.choice(chance.choice(pools)) for _ in range(size)))
    return texts
