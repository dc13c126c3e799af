"""What the unit tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.audience_stage import Stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    """An audience whose viewers are closed in the end."""
    made = Stage()
    yield made
    for viewer in made.viewers:
        viewer.close()
