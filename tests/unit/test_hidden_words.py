"""Which texts a viewer's hidden word hides: static/js/room/hidden-words.js, run in Node."""

from __future__ import annotations

from tests.support.javascript import run
from tests.support.word_cases import DISGUISES, WORDS

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


def test_hidden_word_is_found_in_every_disguise() -> None:
    (found,) = hidden((["spam"], list(DISGUISES.values())))
    assert [way for way, text in DISGUISES.items() if text not in found] == []


def test_hidden_word_is_a_whole_word_of_its_script() -> None:
    texts = [[shown, *shown.split(", "), hides] for _, shown, hides in WORDS]
    found = hidden(*(([word], texts[place]) for place, (word, _, _) in enumerate(WORDS)))
    assert found == [[hides] for _, _, hides in WORDS]


def test_word_of_nothing_visible_hides_nothing() -> None:
    texts = ["hi", "", " ", "\u200b"]
    assert hidden(*(([word], texts) for word in ("", " ", "\u200b", "\u00ad\ufe0f"))) == [[]] * 4


def test_every_printable_word_hides_itself_alone_and_in_a_sentence() -> None:
    letters = [chr(code) for code in range(0x21, 0x7F)]
    words = [*letters, *(f"{first}{second}" for first in letters for second in "a1.*]\\")]
    texts = [[word, f"so: {word} "] for word in words]
    assert hidden(*(([word], one) for word, one in zip(words, texts, strict=True))) == texts
