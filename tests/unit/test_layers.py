"""The order of the layers: a part imports only what is below it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LAYERS = [
    {"core"},
    {"settings", "metrics", "load", "descriptors", "environment", "log"},
    {"archive", "migrations", "journal", "fanout", "client", "command_line"},
    {"judge"},
    {"posts", "loadtest"},
    {"room"},
    {"filtering"},
    {"rooms", "moderation"},
    {"hub"},
    {"web"},
    {"commands"},
    {"app"},
    {"server"},
]
RANKS = {part: rank for rank, parts in enumerate(LAYERS) for part in parts}
BESIDE = {("journal", "archive")}  # pairs of a layer

IMPURE = set(
    """
    asyncio concurrent contextvars datetime io logging multiprocessing os pathlib random secrets
    selectors shutil signal socket sqlite3 ssl subprocess sys tempfile threading time uuid
    """.split()
)
IMPURE_MODULES = {"urllib.request", "urllib.error"}
PURE_PACKAGES = {"msgspec", "regex", "chat"}
TORNADO_ALLOWED = ("chat/web/", "chat/app.py", "chat/client/", "chat/loadtest/html_report.py")

FILES = [
    path
    for path in [ROOT / "server.py", *sorted((ROOT / "chat").rglob("*.py"))]
    if "versions" not in path.parts
]


def imports_of(path: Path) -> Iterator[str]:
    """Yield the full names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            assert node.module
            yield node.module
            # `from chat import fanout` names a part too
            yield from (f"{node.module}.{name.name}" for name in node.names)


def part_of(module: str) -> str | None:
    """Return which part of the program a module belongs to."""
    names = module.split(".")
    if names[0] == "server":
        return "server"
    if names[0] != "chat" or len(names) < 2 or names[1].startswith("_"):
        return None
    return names[1]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_part_has_its_layer() -> None:
    parts = {part_of(module_of(path)) for path in FILES} - {None}
    assert parts <= RANKS.keys(), f"no layer: {parts - RANKS.keys()}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_file_imports_only_what_lies_below_it(path: Path) -> None:
    own = part_of(module_of(path))
    if own is None:
        own = "core"  # chat/__init__.py: below everything
    for module in imports_of(path):
        other = part_of(module)
        if other is None or other == own:
            continue
        assert RANKS[other] < RANKS[own] or (own, other) in BESIDE, f"{own} imports {module}"


@pytest.mark.parametrize("path", sorted((ROOT / "chat" / "core").glob("*.py")), ids=name_of)
def test_core_is_pure(path: Path) -> None:
    for module in imports_of(path):
        top = module.split(".")[0]
        assert not {top, module} & (IMPURE | IMPURE_MODULES), f"the core imports {module}"
        assert top in PURE_PACKAGES or top in sys.stdlib_module_names, f"the core imports {module}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_some_modules_import_tornado(path: Path) -> None:
    if not name_of(path).startswith(TORNADO_ALLOWED):
        assert not [module for module in imports_of(path) if module.split(".")[0] == "tornado"]
