"""The server needs no rights but to read its program and to write to its database's folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.api import Api
from tests.support.confinement import find_confinement
from tests.support.server_process import ServerProcess
from tests.support.viewer import Viewer

StartServer = Callable[..., ServerProcess]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of nobody's, which pytest's own would be closed to."""
    folder = Path(tempfile.mkdtemp(prefix="danmaku-"))
    if os.geteuid() == 0:
        os.chown(folder, 65534, 65534)
    yield folder
    shutil.rmtree(folder)


def test_server_needs_write_access_only_to_its_own_folder(
    start_server: StartServer, room: str, folder: Path
) -> None:
    database = folder / "danmaku.db"
    server = start_server("--keep-days", "1", database=database, wrapper=find_confinement(folder))
    assert Api(server).get(f"/r/{room}").status == 200
    with Viewer(server, room) as viewer:
        assert viewer.post("kept")["type"] == "ack"
    server.restart()
    with Viewer(server, room) as viewer:
        assert [entry["text"] for entry in viewer.welcome["entries"]] == ["kept"]
    assert server.stop() == 0
    assert {path.name for path in folder.iterdir()} == {"danmaku.db", "danmaku.db.secret"}


def test_server_with_its_database_in_memory_needs_no_folder(
    start_server: StartServer, room: str
) -> None:
    server = start_server("--database", "sqlite://", wrapper=find_confinement(None))
    with Viewer(server, room) as viewer:
        assert viewer.post("not kept")["type"] == "ack"
