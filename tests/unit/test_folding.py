"""Folding: texts that read the same are equal, on the server and on the pages."""

from __future__ import annotations

import random
import unicodedata

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from chat.core.folding import fold
from tests.support.javascript import call_each
from tests.support.random_texts import ALL, random_texts

texts = st.text(st.characters(exclude_categories=["Cs", "Cn"]), max_size=30).map(
    lambda text: unicodedata.normalize("NFC", text)
)
INVISIBLE = regex.findall(r"[\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]", ALL)


def test_page_and_server_fold_every_code_point_and_text_alike() -> None:
    chance = random.Random(3)
    everything = ["".join(chance.choices(ALL, k=40)) for _ in range(3_000)]
    asked = [
        *(ALL[start : start + 512] for start in range(0, len(ALL), 512)),
        *random_texts(5_000, seed=2),
        *everything,
    ]
    asked = [text for text in map(without_surrogates, asked) if text]
    folded = call_each("room/folding.js", "fold", [(text,) for text in asked])
    for text, by_page in zip(asked, folded, strict=True):
        assert by_page == fold(text), ascii(text)


def without_surrogates(text: str) -> str:
    """Return a text without what JSON cannot carry to Node."""
    return regex.sub(r"\p{Cs}", "", text)


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("SPAM", "spam"),
        ("s\u200bp\u2060a\u00adm\ufe0f", "spam"),
        ("ｓｐａｍ", "spam"),
        ("ѕраm", "spam"),
        ("ЅРАМ", "spam"),
        ("sραm", "spam"),
        ("ꮪᏢᎪᎷ", "spam"),
        ("ꓢꓑꓮꓟ", "spam"),
        ("𝓼𝖕𝕒𝚖", "spam"),
        ("ⓢ🄿🅐🅼", "spam"),
        ("ꜱᴘᴀᴍ", "spam"),
        ("ˢᵖᵃᵐ", "spam"),
        ("ʂρąɱ", "spam"),
        ("s̶p̷a\u20ddm̈", "spam"),
        ("łøđħŧ", "lodht"),
        ("Straße, STRASSE", "strasse, strasse"),
        ("İstanbul ısı", "istanbul isi"),
        ("ﬀ ﷺ", "ff صلي الله عليه وسلم"),
        ("كـــلب كَلْب", "كلب كلب"),
        ("שָׁלוֹם", "שלום"),
        ("१२३ ٤٥٦ ７８９", "123 456 789"),
        ("can’t ‐ “no”", 'can\'t - "no"'),
        ("ﾊﾞｶ バカ", "ハ\u3099カ ハ\u3099カ"),
        ("a\u3000b\u2800c\td", "a b c d"),
        # other letters stay other letters
        ("ばか はか", "は\u3099か はか"),
        ("ที่ किताब 한국", "ที่ किताब 한국"),
        ("弹幕 彈幕", "弹幕 彈幕"),
    ],
)
def test_text_is_folded_to(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(texts)
def test_what_is_folded_stays_as_it_is(text: str) -> None:
    assert fold(fold(text)) == fold(text)


# A mark whose capital is a letter, and the sigma that looks like a c.
UNLIKE = "\u0345ϲϹ"


@given(texts.filter(lambda text: not set(text) & set(UNLIKE)))
@example("ŀ ǅ ẚ Ɵ ㈎ ㉮ ᾳ")
def test_case_and_width_make_no_difference(text: str) -> None:
    assert fold(unicodedata.normalize("NFC", text.casefold())) == fold(text)
    assert fold(unicodedata.normalize("NFC", text.upper())) == fold(text)
    assert fold(unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text))) == fold(text)


@given(texts, st.sampled_from(INVISIBLE), st.integers(min_value=0))
def test_invisible_characters_make_no_difference(text: str, hidden: str, place: int) -> None:
    place %= len(text) + 1
    assert fold(text[:place] + hidden + text[place:]) == fold(text)


@given(texts)
def test_no_letter_or_digit_of_ascii_is_lost(text: str) -> None:
    seen = regex.sub(r"[^a-z0-9]", "", text.lower())
    folded = iter(fold(text))
    assert all(letter in folded for letter in seen)
