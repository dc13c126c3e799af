"""The modules of the overlay run in Chromium 103, the oldest OBS that docs/overlay.md names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

MODULES = Path(__file__).resolve().parents[2] / "static" / "js"
IMPORT = re.compile(r"""(?:from |import\()'(\.[^']+)'""")

# What Chromium has had since a version after 103, of what these modules could be tempted to use.
NEWER = {
    "AbortSignal.any": r"AbortSignal\.any\b",
    "popovers": r"Popover\(|popover-open|\.popover\b",
    "checkVisibility": r"\.checkVisibility\(",
    "change of an array by copy": r"\.(toSorted|toReversed|toSpliced|with)\(",
    "Array.fromAsync": r"Array\.fromAsync\b",
    "groupBy": r"\b(Object|Map)\.groupBy\b",
    "Promise.withResolvers": r"\.withResolvers\b",
    "well-formed strings": r"\.(isWellFormed|toWellFormed)\(",
    "methods of sets": r"\.(union|intersection|difference|isSubsetOf|isSupersetOf)\(",
    "iterator helpers": r"\.(keys|values|entries)\(\)\.(map|filter|take|drop|toArray)\(",
    "URL.canParse": r"URL\.(canParse|parse)\b",
    "setHTML": r"\.setHTML\w*\(",
    "view transitions": r"startViewTransition",
    "scheduler": r"\bscheduler\.(yield|postTask)",
    "import attributes": r"import .* with \{",
}


def modules_of(entry: Path) -> set[Path]:
    """Return a module and all that it imports."""
    found: set[Path] = set()
    waiting = [entry]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        waiting += [(path.parent / name).resolve() for name in IMPORT.findall(path.read_text())]
    return found


@pytest.mark.parametrize("entry", ["overlay/overlay.js", "embed.js"])
def test_overlay_uses_nothing_newer_than_chromium_103(entry: str) -> None:
    modules = modules_of(MODULES / entry)
    assert len(modules) > 20
    for path in sorted(modules):
        code = re.sub(r"/\*[\s\S]*?\*/|//[^\n]*", "", path.read_text())
        used = [name for name, pattern in NEWER.items() if re.search(pattern, code)]
        assert used == [], path.relative_to(MODULES)
