"""What counts as a character, for the server and for the pages."""

from __future__ import annotations

import random
import unicodedata

import pytest
import regex

from chat.core.character_tables import GRAPHEME_CLASSES
from chat.core.comment import MAX_TEXT_BYTES, MAX_TEXT_GRAPHEMES, clean_text
from chat.core.graphemes import (
    MAX_GENERAL_MARKS,
    MAX_MARKS,
    count_graphemes,
    is_overloaded,
    read_ranges,
)
from tests.support.javascript import call_each

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


def test_page_and_server_count_every_text_alike() -> None:
    texts = [*random_texts(10_000, seed=1), *(FAMILY * n for n in range(5)), "\u1100" * 330]
    asked = [(text,) for text in texts]
    limits = (MAX_TEXT_GRAPHEMES, MAX_TEXT_BYTES)
    verdicts = call_each("room/graphemes.js", "fits", [(text, *limits) for text in texts])
    counts = call_each("room/graphemes.js", "countGraphemes", asked)
    sizes = call_each("room/graphemes.js", "countBytes", asked)
    for text, accepted, count, size in zip(texts, verdicts, counts, sizes, strict=True):
        outcome = clean_text(text)
        if isinstance(outcome, str):
            assert accepted, ascii(text)
            assert (count, size) == (count_graphemes(outcome), len(outcome.encode())), ascii(text)
        elif outcome.code == "text_too_long":
            assert not accepted, ascii(text)


CHARACTERS = [
    (FAMILY, 1),
    ("👩🏻\u200d❤️\u200d💋\u200d👨🏿", 1),
    ("\U0001f1e8\U0001f1f3\U0001f1eb\U0001f1f7\U0001f1e8", 3),
    ("क्षत्रिय", 3),
    ("र्त्स्न्य", 1),
    ("ที่นี่", 2),
    ("\u1112\u1161\u11ab", 1),
    # what is not shown as one does not count as one
    ("\u1100" * 330, 330),
    ("\u1161" * 5, 5),
    ("\u200d".join("👨" * 12), 7),
    ("्".join("क" * 12), 7),
    ("\u0600" * 9 + "1", 9),
    ("a\u200bb", 3),
    ("", 0),
]


@pytest.mark.parametrize(("text", "count"), CHARACTERS)
def test_a_character_is_what_is_shown_as_one(text: str, count: int) -> None:
    assert count_graphemes(text) == count


def test_a_character_of_the_page_is_the_same() -> None:
    counts = call_each("room/graphemes.js", "countGraphemes", [(text,) for text, _ in CHARACTERS])
    assert counts == [count for _, count in CHARACTERS]


def test_every_mark_is_bounded() -> None:
    marks = "".join(GRAPHEME_CLASSES[letter] + " " for letter in "EZJNGS")
    for mark in (chr(code) for codes in read_ranges(marks) for code in codes):
        assert not is_overloaded("a" + mark * MAX_GENERAL_MARKS), ascii(mark)
        assert is_overloaded("a" + mark * (MAX_MARKS + 1)), ascii(mark)
