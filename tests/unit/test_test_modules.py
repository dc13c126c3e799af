"""Tests share code through ``tests/support`` and fixtures alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(path.relative_to(TESTS).as_posix() for path in TESTS.rglob("*.py"))


@pytest.mark.parametrize("file", FILES)
def test_tests_import_only_from_modules_of_helpers_that_exist(file: str) -> None:
    for node in ast.walk(ast.parse((TESTS / file).read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            *_, name = parts = str(node.module).split(".")
            assert not name.startswith("test_"), node.module
            assert TESTS.parent.joinpath(*parts).with_suffix(".py").exists(), node.module
