"""What the unit tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.audience_harness import AudienceHarness


@pytest.fixture
def harness() -> Iterator[AudienceHarness]:
    """An audience whose viewers are closed in the end."""
    made = AudienceHarness()
    yield made
    for viewer in made.viewers:
        viewer.close()
