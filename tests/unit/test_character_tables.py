"""The character tables of the server and the pages."""

from __future__ import annotations

import importlib.util
import unicodedata

from tests.support.javascript import ROOT

spec = importlib.util.spec_from_file_location("maker", ROOT / "tools" / "make_character_tables.py")
assert spec
assert spec.loader
maker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(maker)

# The Unicode version of unicodedata in Python 3.11, which the folds are made with.
MADE_WITH = "14.0.0"


def test_tables_match_their_generator() -> None:
    made = maker.tables()
    kept = maker.read_tables()
    # A newer Python knows more characters, and no known one differently.
    if unicodedata.unidata_version == MADE_WITH:
        assert made == kept
    else:
        assert made["GRAPHEME_CLASSES"] == kept["GRAPHEME_CLASSES"]


def test_server_and_pages_have_the_same_tables() -> None:
    kept = maker.read_tables()
    assert maker.PYTHON_FILE.read_text(encoding="utf-8") == maker.in_python(kept)
    for file, names in maker.JAVASCRIPT_FILES.items():
        assert file.read_text(encoding="utf-8") == maker.in_javascript(kept, names)
