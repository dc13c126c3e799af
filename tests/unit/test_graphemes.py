"""The number of characters of a text, on the server and on the pages."""

from __future__ import annotations

import pytest

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
from tests.support.random_texts import FAMILY, random_texts


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
