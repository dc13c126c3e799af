"""The folders of the pages' modules: which of them may import which."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

MODULES = Path(__file__).resolve().parents[2] / "static" / "js"
PAGE_PARTS = {"page", "connection", "stage"}
MAY_IMPORT = {
    "page": set(),
    "connection": set(),
    "stage": {"page"},
    "room": PAGE_PARTS,
    "lobby": PAGE_PARTS,
    "overlay": PAGE_PARTS,
    "console": PAGE_PARTS | {"room"},
    "": {"overlay", "page", "stage"},  # embed.js
}
IMPORT = re.compile(r"""(?:from |import\()'(\.[^']+)'""")
FILES = sorted(MODULES.rglob("*.js"))


def folder_of(path: Path) -> str:
    return "" if path.parent == MODULES else path.parent.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(MODULES).as_posix())
def test_module_imports_only_from_the_folders_it_may(path: Path) -> None:
    for imported in IMPORT.findall(path.read_text()):
        target = (path.parent / imported).resolve()
        assert target.is_file(), f"{imported} does not exist"
        folder = folder_of(target)
        assert folder == folder_of(path) or folder in MAY_IMPORT[folder_of(path)], imported


def test_every_folder_has_a_readme() -> None:
    for folder in {path.parent for path in FILES}:
        assert (folder / "README.md").is_file(), folder


def test_only_the_public_module_lies_outside_the_folders() -> None:
    assert [path.name for path in MODULES.glob("*.js")] == ["embed.js"]
