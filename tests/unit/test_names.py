"""Which names look alike."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.core.moderation.names import skeleton


@pytest.mark.parametrize(
    ("name", "imitation"),
    [
        ("Ann", "ann"),
        ("Ann", "Αnn"),  # Greek
        ("Ann", "Аnn"),  # Cyrillic
        ("Ann", "Ａｎｎ"),
        ("Ann", "A\u200bnn"),
        ("Ann", "Ann."),
        ("Ann", "_A n n_"),
        ("Ann", "Änn"),
        ("Ann", "𝔸𝕟𝕟"),
        ("Mei", "rnei"),
        ("Will", "VViII"),
        ("Bill", "B1||"),
        ("Bob", "B0b"),
        ("Bob", "Bంb"),  # Telugu
        ("Ines", "lnes"),
        ("小明", "小 明"),
        ("管理员", "管理员!"),
        ("🦊", "🦊 "),
        ("...", "…"),
    ],
)
def test_imitation_has_the_skeleton_of_the_name(name: str, imitation: str) -> None:
    assert skeleton(imitation) == skeleton(name)


@pytest.mark.parametrize(
    ("name", "other"),
    [("Ann", "Anna"), ("Ann", "An"), ("小明", "小红"), ("か", "が"), ("🦊", "🐻"), ("...", "?")],
)
def test_other_name_has_another_skeleton(name: str, other: str) -> None:
    assert skeleton(other) != skeleton(name)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=24))
def test_skeleton_of_a_skeleton_is_itself(name: str) -> None:
    once = skeleton(name)
    assert skeleton(once) == once


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=24))
def test_skeleton_does_not_depend_on_the_normal_form(name: str) -> None:
    forms = {skeleton(unicodedata.normalize(form, name)) for form in ("NFC", "NFD")}
    assert len(forms) == 1
