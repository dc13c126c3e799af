"""Cleaning of texts and names."""

from __future__ import annotations

import time
import unicodedata
from typing import Literal

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from chat.core.comment import (
    MAX_NAME_GRAPHEMES,
    MAX_TEXT_BYTES,
    MAX_TEXT_GRAPHEMES,
    clean_name,
    clean_text,
    guest_name,
)
from chat.core.graphemes import MAX_GENERAL_MARKS, MAX_MARKS, count_graphemes
from chat.core.reject import Rejection

FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"
FLAG_OF_WALES = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
HIDDEN = "\x00\x07\x1b\x7f\x85\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"

# Any text, with what cleaning is about far more often than chance would bring it.
texts = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from([*HIDDEN, "\u200d", "\u3164", "\u2800", "\u0301", "\n", FAMILY, "弹幕"]),
        st.text(st.characters(categories=["Cs", "Cc", "Cf", "Zs", "Mn"]), max_size=3),
    ),
    max_size=40,
).map("".join)


def code_of(outcome: str | Rejection) -> str:
    assert isinstance(outcome, Rejection), f"accepted as {outcome!r}"
    return outcome.code


@given(texts)
@example("e\u0301")
@example("\u202eabc")
@example("\ud83d\ude00")
@example(" \u2028 a")
@example("a" + "\u0344" * 4)
def test_cleaned_text_is_safe_and_stays_as_it_is(raw: str) -> None:
    text = clean_text(raw)
    if isinstance(text, Rejection):
        assert text.code in ("text_empty", "text_too_long")
        return
    assert clean_text(text) == text
    assert text == unicodedata.normalize("NFC", text) == text.strip()
    assert not regex.search(r"[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069\u2028\u2029]", text)
    assert count_graphemes(text) <= MAX_TEXT_GRAPHEMES
    assert len(text.encode()) <= MAX_TEXT_BYTES


@given(texts)
def test_cleaned_name_is_safe_and_stays_as_it_is(raw: str) -> None:
    name = clean_name(raw)
    if isinstance(name, Rejection):
        assert name.code in ("name_empty", "name_too_long")
        return
    assert clean_name(name) == name
    assert name == unicodedata.normalize("NFC", name)
    assert not regex.search(r"[\p{Cc}\p{Cs}\u202a-\u202e\u2066-\u2069]|\s\s", name)
    assert count_graphemes(name) <= MAX_NAME_GRAPHEMES


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("hi", "hi"),
        ("  padded  ", "padded"),
        ("two\nlines", "two lines"),
        ("a\x00b\x1bc", "abc"),
        ("\u202egnp.exe", "gnp.exe"),
        ("\u2067right\u2069", "right"),
        ("e\u0301", "\u00e9"),
        ("\ufeffmark", "mark"),
        ("a\ufffe\uffff\ufdd0\ufdef\U0001fffe\U0010ffffb", "ab"),
        ("a\ud800b", "ab"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        (FAMILY, FAMILY),
        (FLAG_OF_WALES, FLAG_OF_WALES),
        ("می\u200cخواهم", "می\u200cخواهم"),
    ],
)
def test_text_is_shown_as(raw: str, shown: str) -> None:
    assert clean_text(raw) == shown


@pytest.mark.parametrize(
    "raw",
    [
        *("", " ", "\t\n", "\u3000", "\u200b", "\u200d\u200d", "\u3164", "\u2800", "\u00ad"),
        *("\ufe0f", "\u115f\u1160", "\U000e0041", "\ue000", HIDDEN),
    ],
)
def test_text_that_draws_nothing_is_rejected(raw: str) -> None:
    assert code_of(clean_text(raw)) == "text_empty"
    assert code_of(clean_name(raw)) == "name_empty"


@pytest.mark.parametrize("text", [FAMILY, FLAG_OF_WALES, "e\u0301", "\U0001f1e8\U0001f1f3", "한"])
def test_what_a_person_sees_as_one_character_counts_as_one(text: str) -> None:
    assert count_graphemes(text) == 1


@pytest.mark.parametrize(
    ("most", "more"),
    [
        ("a" * 100, "a" * 101),
        ("弹" * 100, "弹" * 101),
        # bytes: a family is one character of 25 bytes
        (FAMILY * 40, FAMILY * 41),
        ("👍🏽" * 100, "👍🏽" * 101),
        # one character may bear some marks, but not without end
        ("x" + "\u0329" * MAX_GENERAL_MARKS, "x" + "\u0329" * (MAX_GENERAL_MARKS + 1)),
        ("ก" + "็" * MAX_MARKS, "ก" + "็" * (MAX_MARKS + 1)),
    ],
)
def test_text_is_accepted_up_to_the_limit_and_never_cut(most: str, more: str) -> None:
    assert clean_text(most) == most
    assert code_of(clean_text(more)) == "text_too_long"


def test_name_is_accepted_up_to_the_limit_and_never_cut() -> None:
    assert clean_name("弹" * 24) == "弹" * 24
    assert code_of(clean_name("弹" * 25)) == "name_too_long"
    assert clean_name(FAMILY * 8) == FAMILY * 8
    assert code_of(clean_name(FAMILY * 9)) == "name_too_long"


MARKED = [
    ("Vietnamese", "Tiếng Việt, nguyễn, ngữ, ỗ, ặ"),
    ("Hebrew with points and cantillation", "בְּרֵאשִׁ֖ית בָּרָ֣א אֱלֹהִ֑ים וְשָּֽׁ֣"),
    ("Arabic of the Quran", "ٱلضَّآلِّينَ ٱلرَّحْمَـٰنِ أُو۟لَٰٓئِكَ لَّٰٓ"),
    ("Thai", "ที่นี่ ปิ่น น้ำ ผู้ใหญ่ เก่งจริง ๆ"),
    ("Lao", "ສະບາຍດີ ຂອບໃຈ ນ້ຳ ເຂົ້າ"),
    ("Hindi and Sanskrit", "क्षत्रिय कार्त्स्न्यम् स्त्रियाँ र्ङ्क्त्व्य ॐ॑"),
    ("Tamil", "ஸ்ரீ க்ஷௌ தமிழ்"),
    ("Malayalam", "ക്ഷ്മ സ്ത്രീ മലയാളം"),
    ("Tibetan stacks", "བསྒྲུབས་ ཧྐྵྨླྺྲྂ རྒྱུད་ ཨོཾ་མ་ཎི་པདྨེ་ཧཱུྃ"),
    ("Burmese", "ကြွှေး ကျွန်ုပ်တို့ မြန်မာ"),
    ("Khmer", "ស្ត្រី ខ្ញុំ ភ្នំពេញ"),
    ("IPA", "[ˈt͡ʃʷɪ̰̃̀ n̪ˠ ə˞]"),
    ("Korean in jamo", "한국어"),
    ("emoji", f"{FAMILY}{FLAG_OF_WALES}👩🏻\u200d❤️\u200d💋\u200d👨🏿 1️⃣"),
]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(("writing", "text"), MARKED)
def test_marks_of_real_writing_pass(writing: str, text: str, form: Literal["NFC", "NFD"]) -> None:
    assert clean_text(unicodedata.normalize(form, text)) == unicodedata.normalize("NFC", text)


@pytest.mark.parametrize(
    "raw",
    [
        "a" + "\u0301" * 2_000 + "\u0323" * 2_000,
        "a" + "\u0301" * 999 + "\u0323" * 999,
        ("a" + "\u0301\u0323" * 2 + "\u0301") * 300,
        "Z" + "\u030d" * 60,
        "a" + "\u200d\u0301" * 60,
        "\u1100" * 330,
        "👨" + "\u200d👨" * 140,
        "क" + "्क" * 160,
        "\u0600" * 300 + "a",
        " " * 8_000,
    ],
)
def test_text_with_too_many_code_points_is_rejected_before_cleaning(raw: str) -> None:
    began = time.thread_time()
    outcomes = [clean_text(raw) for _ in range(20)]
    assert (time.thread_time() - began) / 20 < 0.001
    assert {code_of(outcome) for outcome in outcomes} == {"text_too_long"}
    assert code_of(clean_name(raw)) == "name_too_long"


def test_limits_count_what_is_left_after_cleaning() -> None:
    assert clean_text(" " * 500 + "a" * 100 + "\x00" * 500) == "a" * 100


def test_name_has_single_spaces() -> None:
    assert clean_name("  Night \u3000 Owl\t7 ") == "Night Owl 7"


@given(st.integers(min_value=0))
def test_guest_name_is_readable_and_passes_as_a_name(number: int) -> None:
    name = guest_name(number)
    assert regex.fullmatch(r"[A-Z][a-z]+ [A-Z][a-z]+ [0-9]{1,2}", name)
    assert clean_name(name) == name


def test_guest_names_differ() -> None:
    assert len({guest_name(number) for number in range(10_000)}) == 10_000
