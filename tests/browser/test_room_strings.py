"""The catalogs: both languages have all texts, and the pages use each of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CATALOGS = {
    language: json.loads((ROOT / "templates" / "strings" / f"{language}.json").read_text())
    for language in ("en", "zh")
}
SOURCES = sorted([*(ROOT / "templates").glob("*.html"), *(ROOT / "static" / "js").rglob("*.js")])
# t('key' …), t(`begin.${…}`) and t('begin.' + …): a whole key, or the beginning of several
CALL = re.compile(r"""(?<![\w.])(?:t|hasText)\(\s*(?:'([^']+)'\s*(\+)?|`([^`$]*)(\$)?)""")


def test_both_languages_have_the_same_keys() -> None:
    assert CATALOGS["en"].keys() == CATALOGS["zh"].keys()


def test_both_languages_have_the_same_placeholders_and_no_empty_text() -> None:
    for key, english in CATALOGS["en"].items():
        chinese = CATALOGS["zh"][key]
        assert english.strip()
        assert chinese.strip()
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), key


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_every_key_used_by_a_page_is_in_the_catalog(source: Path) -> None:
    for quoted, plus, template, gap in CALL.findall(source.read_text()):
        key, begins = (quoted, bool(plus)) if quoted else (template, bool(gap))
        known = [
            name for name in CATALOGS["en"] if name == key or (begins and name.startswith(key))
        ]
        assert known, f"{source.name} asks for {key}"


def test_every_text_of_the_catalog_is_used() -> None:
    asked: list[tuple[str, bool]] = []
    for source in SOURCES:
        for quoted, plus, template, gap in CALL.findall(source.read_text()):
            asked.append((quoted or template, bool(plus or gap)))
    unused = [
        name
        for name in CATALOGS["en"]
        if not any(name == key or (begins and name.startswith(key)) for key, begins in asked)
    ]
    assert unused == []
