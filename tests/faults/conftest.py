"""How long the faults run: a short run with every test run, a long one with ``make faults``."""

from __future__ import annotations

import os

import pytest

LONG = os.environ.get("FAULTS") == "long"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if LONG:
        for item in items:
            if item.path.parent.name == "faults":
                item.add_marker(pytest.mark.timeout(3 * 3600))
