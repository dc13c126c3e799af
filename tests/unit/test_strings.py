"""The language of the pages, and their catalogs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.web.routes import find_folder
from chat.web.strings import LANGUAGES, Strings


@pytest.fixture(scope="module")
def strings() -> Strings:
    return Strings(find_folder("templates") / "strings")


@pytest.mark.parametrize(
    ("cookie", "header", "language"),
    [
        (None, "", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en-GB,en;q=0.9,zh;q=0.8", "en"),
        (None, "en;q=0.5, zh-Hant;q=0.9", "zh"),
        (None, "ZH-tw", "zh"),
        (None, "fr,zh;q=0.4", "zh"),
        (None, "fr-FR,de", "en"),
        (None, "zh;q=0,en;q=0.1", "en"),
        (None, "zh;q=much,en;q=0.1", "en"),
        (None, ";;,,=;q", "en"),
        ("zh", "en", "zh"),
        ("en", "zh-CN", "en"),
        ("tlh", "zh-CN", "zh"),
    ],
)
def test_language_is_that_of_the_cookie_or_of_the_browser(
    strings: Strings, cookie: str | None, header: str, language: str
) -> None:
    assert strings.choose(cookie, header) == language


@given(st.none() | st.text(), st.text() | st.text(alphabet="zhen-,;q=.0159 "))
def test_no_cookie_or_header_makes_choosing_raise(
    strings: Strings, cookie: str | None, header: str
) -> None:
    assert strings.choose(cookie, header) in LANGUAGES


def test_catalogs_have_the_same_keys() -> None:
    folder = find_folder("templates") / "strings"
    catalogs = [json.loads((folder / f"{language}.json").read_text()) for language in LANGUAGES]
    assert catalogs[0].keys() == catalogs[1].keys()
    for key in catalogs[0]:
        fields = [sorted(_fields(catalog[key])) for catalog in catalogs]
        assert fields[0] == fields[1], key


def _fields(sentence: str) -> set[str]:
    return {part.split("}")[0] for part in sentence.split("{")[1:]}


def test_block_is_the_catalog_and_cannot_end_its_script_element(strings: Strings) -> None:
    for language in LANGUAGES:
        block = strings.block(language)
        assert "<" not in block
        assert json.loads(block) == json.loads(
            (find_folder("templates") / "strings" / f"{language}.json").read_text()
        )
