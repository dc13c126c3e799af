"""How long the faults run: a short run with every test run, a long one with ``make faults``.

``CHURN_MINUTES`` chooses how long people come and go, in either.
"""

from __future__ import annotations

import os

import pytest

LONG = os.environ.get("FAULTS") == "long"
CHURN_SECONDS = 60 * float(os.environ.get("CHURN_MINUTES") or (120 if LONG else 0.1))


# Twenty starts are seconds, or minutes where many share the machine.
LIMIT_SECONDS = 3 * 3600 if LONG or "CHURN_MINUTES" in os.environ else 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "faults":
            item.add_marker(pytest.mark.timeout(LIMIT_SECONDS))
