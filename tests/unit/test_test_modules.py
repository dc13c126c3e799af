"""Tests share code through ``tests/support`` and fixtures alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py"))


@pytest.mark.parametrize("file", FILES)
def test_no_module_imports_from_a_file_of_tests(file: str) -> None:
    tree = ast.parse((TESTS / file).read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").split(".")[-1].startswith("test_"), node.module
