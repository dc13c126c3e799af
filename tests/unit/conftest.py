"""Fixtures of the unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.audience_harness import AudienceHarness
from tests.support.journal_harness import OpenJournal, make_opener


@pytest.fixture
def harness() -> Iterator[AudienceHarness]:
    """An audience whose viewers are closed in the end."""
    made = AudienceHarness()
    yield made
    for viewer in made.viewers:
        viewer.close()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "danmaku.db"


@pytest.fixture(params=["file", "memory"])
def open_journal(request: pytest.FixtureRequest, database: Path) -> OpenJournal:
    return make_opener(f"sqlite:///{database}" if request.param == "file" else "sqlite://")


@pytest.fixture
def open_file(database: Path) -> OpenJournal:
    return make_opener(f"sqlite:///{database}")
