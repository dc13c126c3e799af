"""Filters: which texts contain a word or match a pattern, and what happens to them."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.core.comment import clean_text
from chat.core.folding import fold
from chat.core.graphemes import count_graphemes
from chat.core.moderation.filters import (
    MAX_PATTERNS,
    Action,
    BadFilter,
    Filter,
    FilterSet,
    FilterVerdict,
    Match,
    compile_filters,
)
from chat.core.moderation.words import WordList, fold_word
from tests.support.random_texts import random_texts
from tests.support.word_cases import DISGUISES, WORDS

# The pages ignore what stands between the letters of a viewer's own hidden word. A filter is for
# everybody, so there every letter has to be separated.
ONLY_ON_PAGES = {"one dot", "asterisk"}


def words(*texts: str, action: Action = Action.REJECT) -> FilterSet:
    return compiled(*(Filter(Match.WORD, text, action) for text in texts))


def patterns(*texts: str, action: Action = Action.REJECT) -> FilterSet:
    return compiled(*(Filter(Match.PATTERN, text, action) for text in texts))


def compiled(*filters: Filter) -> FilterSet:
    made = compile_filters(filters)
    assert isinstance(made, FilterSet)
    return made


def check(filters: FilterSet, raw: str) -> FilterVerdict | None:
    text = clean_text(raw)
    assert isinstance(text, str)
    return filters.check(text)


@pytest.mark.parametrize("way", sorted(DISGUISES.keys() - ONLY_ON_PAGES))
def test_word_is_found_in_a_disguise(way: str) -> None:
    assert check(words("spam"), DISGUISES[way]) is not None


@pytest.mark.parametrize(("word", "others", "text"), WORDS)
def test_word_is_found_as_a_whole_word_of_its_script(word: str, others: str, text: str) -> None:
    filters = words(word)
    assert [other for other in others.split(", ") if check(filters, other)] == []
    assert check(filters, text) is not None


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("bum", "burn"),  # the skeleton of UTS 39 has both as "burn"
        ("bad", "b ad"),
        ("bad", "ba.d"),
        ("no", "n o"),
        ("tit", "7 1 7"),
        ("less", "1355"),
        ("26", "2b6"),
    ],
)
def test_text_that_only_resembles_a_word_passes(word: str, text: str) -> None:
    assert check(words(word), text) is None


@given(st.integers(0, 2**32), st.sampled_from(random_texts(300, seed=5)))
def test_every_word_is_found_in_itself_and_in_a_sentence(seed: int, raw: str) -> None:
    chance = random.Random(seed)
    start = chance.randrange(len(raw))
    word = raw[start : start + chance.randrange(1, 8)]
    if not isinstance(clean_text(word), str) or isinstance(
        compile_filters([Filter(Match.WORD, word, Action.REJECT)]), BadFilter
    ):
        return
    filters = words("unrelated", word)
    for text in (word, f"so: {word} ", f"{word}, {word}"):
        if isinstance(clean_text(text), str):
            assert check(filters, text) is not None, ascii(text)


@given(
    st.lists(st.text("abil1!. 人口", min_size=1, max_size=4), min_size=1, max_size=5),
    st.text("abil1!. 人口\u0301Ａ", max_size=12),
)
def test_what_is_found_reads_like_the_word_and_ends_where_words_end(
    some: list[str], raw: str
) -> None:
    text = unicodedata.normalize("NFC", raw)
    for number, start, stop in WordList(some).find(text):
        word, place = fold(some[number]), fold(text[start:stop])
        # A "!" is a letter in all of the place or in none of it.
        readings = as_letters(place), as_letters(place.replace("!", ""))
        assert as_letters(word.replace("!", "")) in readings
        if word.strip()[0] in LATIN:
            assert fold(text[:start])[-1:] not in LATIN
        if word.strip()[-1] in LATIN:
            assert fold(text[stop:])[:1] not in LATIN


LATIN = {"a", "b", "i", "l"}


def as_letters(text: str) -> str:
    """Return the letters of a text, with one letter for all that resemble it."""
    return "".join(filter(str.isalpha, text.translate(str.maketrans("1!l", "iii"))))


def test_strongest_action_of_all_matches_is_taken() -> None:
    filters = compiled(
        Filter(Match.WORD, "one", Action.MASK),
        Filter(Match.WORD, "two", Action.HOLD),
        Filter(Match.WORD, "two", Action.SHADOW),
        Filter(Match.PATTERN, "thr[ei]e", Action.SHADOW),
        Filter(Match.WORD, "four", Action.REJECT),
    )
    actions = {}
    for text in ("zero", "one", "one two", "three one", "one three four"):
        verdict = check(filters, text)
        actions[text] = verdict and verdict.action
    assert actions == {
        "zero": None,
        "one": Action.MASK,
        "one two": Action.HOLD,
        "three one": Action.SHADOW,
        "one three four": Action.REJECT,
    }


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("you idiot!", "you *****!"),
        ("IDIOT idiot", "***** *****"),
        ("ｉｄｉｏｔ", "*****"),
        ("i.d.i.o.t :)", "********* :)"),
        ("1d1ot", "*****"),
        ("ídíót\u0335 x", "***** x"),
        ("你傻.逼啊", "你***啊"),
        ("the 🖕🏽 sign", "the * sign"),
        ("buy   now, friends", "*********, friends"),
        ("see HTTP://x.example/a b", "see ****************** b"),
    ],
)
def test_mask_replaces_each_character_that_matched(text: str, masked: str) -> None:
    filters = compiled(
        *(Filter(Match.WORD, word, Action.MASK) for word in ("idiot", "傻逼", "🖕", "buy now")),
        Filter(Match.PATTERN, r"https?://\S+", Action.MASK),
    )
    verdict = check(filters, text)
    assert verdict is not None
    assert verdict.text == masked
    assert count_graphemes(verdict.text) == count_graphemes(text)


def test_pattern_is_searched_in_the_text_as_shown_and_folded() -> None:
    filters = patterns(r"^Hi\b", r"fr[e3]{2}")
    assert check(filters, "Hi there") is not None
    assert check(filters, "hi there") is None
    assert check(filters, "ＦＲＥＥ") is not None


@pytest.mark.parametrize("pattern", ["(a|a)*b", "(a*)*b", "(x+x+)+y", "([a-z]+)+$"])
def test_pattern_that_backtracks_elsewhere_is_searched_in_linear_time(pattern: str) -> None:
    # A backtracking engine would not end before this test's time-out.
    check(patterns(pattern), "a" * 99 + "!")


def test_every_pattern_of_a_long_list_is_found() -> None:
    filters = patterns(*(f"(?i)x{number}[^ ]*y" for number in range(MAX_PATTERNS)))
    for number in (0, MAX_PATTERNS // 2, MAX_PATTERNS - 1):
        verdict = check(filters, f"a X{number}-Y b")
        assert verdict is not None
        assert f"(?i)x{number}[^ ]*y" in {one.text for one in verdict.matches}


@pytest.mark.parametrize(
    ("match", "text"),
    [
        (Match.WORD, " "),
        (Match.WORD, "\u200b"),
        (Match.PATTERN, "("),
        (Match.PATTERN, "a*"),
        (Match.PATTERN, "(?<=a)b"),
        (Match.PATTERN, r"(a)\1"),
        (Match.PATTERN, "((a{100}){100}){100}"),
    ],
)
def test_bad_filter_is_reported_with_its_position(match: Match, text: str) -> None:
    good = Filter(Match.WORD, "fine", Action.REJECT)
    bad = compile_filters([good, good, Filter(match, text, Action.REJECT), good])
    assert isinstance(bad, BadFilter)
    assert bad.position == 2
    assert bad.reason


def test_more_patterns_than_the_bound_are_refused() -> None:
    some = [
        Filter(Match.PATTERN, f"a{number}", Action.REJECT) for number in range(MAX_PATTERNS + 1)
    ]
    bad = compile_filters(some)
    assert isinstance(bad, BadFilter)
    assert bad.position == MAX_PATTERNS


@given(st.text(max_size=60))
def test_any_text_is_checked_without_an_error(raw: str) -> None:
    text = clean_text(raw)
    if isinstance(text, str):
        EVERYTHING.check(text)


EVERYTHING = compiled(
    *(Filter(Match.WORD, char, Action.MASK) for char in map(chr, range(0x500)) if fold_word(char)),
    Filter(Match.PATTERN, ".", Action.MASK),
)
