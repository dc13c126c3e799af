"""Which texts a viewer's hidden word hides: static/js/room/hidden-words.js, run in Node."""

from __future__ import annotations

from tests.support.javascript import run

PROGRAM = """
import { makeFilter } from MODULE;
answer(await Promise.all(asked.map(async ([hiddenWords, texts]) => {
  const isHidden = await makeFilter({ values: { hiddenWords, hiddenUsers: [] } });
  return texts.filter((text) => isHidden({ text }));
})));
"""


def hidden(*asked: tuple[list[str], list[str]]) -> list[list[str]]:
    """Return for each pair of words and texts those texts that the words hide."""
    answers: list[list[str]] = run("room/filters.js", PROGRAM, asked)
    return answers


DISGUISES = {
    "case": "SpAm",
    "zero-width space": "s\u200bpam",
    "zero-width joiners": "s\u200dp\u200ca\u2060m",
    "soft hyphen": "sp\u00adam",
    "variation selector": "s\ufe0fpam",
    "tag characters": "s\U000e0061pam",
    "noncharacter": "s\ufdd0pam",
    "Hangul filler": "sp\u3164am",
    "fullwidth": "ｓｐａｍ",
    "Cyrillic": "ѕраm",
    "Cyrillic capitals": "ЅРАМ",
    "Greek": "sραm",
    "Cherokee": "ᏚᏢᎪᎷ",
    "mathematical": "𝓼𝓹𝓪𝓶",
    "circled": "ⓢⓟⓐⓜ",
    "squared": "🆂🅿🅰🅼",
    "small capitals": "ꜱᴘᴀᴍ",
    "superscript": "ˢᵖᵃᵐ",
    "accents": "šṕäṃ",
    "marks": "s̶p̶a̶m̶",
    "strokes and hooks": "ꞩƥąɱ",
    "dots": "s.p.a.m",
    "one dot": "sp.am",
    "blanks": "s p a m",
    "wide blanks": "s \u3000p\u00a0a\u2003m",
    "underscores": "s_p_a_m",
    "hyphens": "s-p‑a–m",
    "asterisk": "sp*am",
    "emoji": "s🔥p🔥a🔥m",
    "digits": "5p4m",
    "signs": "$p@m",
    "beside Chinese": "看spam吧",
    "in a sentence": "No (spam), please",
    "beside a digit": "spam2",
}


def test_hidden_word_is_found_in_every_disguise() -> None:
    (found,) = hidden((["spam"], list(DISGUISES.values())))
    assert [way for way, text in DISGUISES.items() if text not in found] == []


def test_hidden_word_is_a_whole_word_of_its_script() -> None:
    texts = [[shown, *shown.split(", "), hides] for _, shown, hides in WORDS]
    found = hidden(*(([word], texts[place]) for place, (word, _, _) in enumerate(WORDS)))
    assert found == [[hides] for _, _, hides in WORDS]


WORDS = [
    ("cunt", "Scunthorpe", "you cunt!"),
    ("ass", "class, assume, pass", "a$$"),
    ("hell", "hello, he'll, shell, he ll", "what the H-E-L-L"),
    ("id", "I'd, i d, idea", "ID?"),
    ("is", "15, this, 1 5", "1s"),
    ("ill", "Bill, i'll", "ILL"),
    ("11", "1:1, 1.1, 1 1", "2011"),
    ("666", "6 6, 66", "66666"),
    ("free money", "free, moneys, freemoney", "FREE... m0ney"),
    ("c++", "c, c+, cc", "C++ forever"),
    (":)", ": (", "hi ：）"),
    ("???", "??", "what???"),
    ("🤡", "🤠", "you🤡"),
    ("笨蛋", "笨, 蛋笨", "你是笨.蛋吗"),
    ("法轮功", "法轮", "法 轮 功好"),
    ("か", "が, ガ, バカ", "かわ"),
    ("바보", "바다", "바보야"),
    ("น้ำ", "นำ", "ดื่มน้ำมาก"),
    ("сука", "барсука", "С У К А"),
    ("नमक", "नमकीन, नमस्ते", "नमक!"),
    ("été", "étés", "ETE"),
    ("Straße", "Strand", "STRASSE"),
]


def test_word_of_nothing_visible_hides_nothing() -> None:
    texts = ["hi", "", " ", "\u200b"]
    assert hidden(*(([word], texts) for word in ("", " ", "\u200b", "\u00ad\ufe0f"))) == [[]] * 4


def test_every_printable_word_hides_itself_alone_and_in_a_sentence() -> None:
    letters = [chr(code) for code in range(0x21, 0x7F)]
    words = [*letters, *(f"{first}{second}" for first in letters for second in "a1.*]\\")]
    texts = [[word, f"so: {word} "] for word in words]
    assert hidden(*(([word], one) for word, one in zip(words, texts, strict=True))) == texts
