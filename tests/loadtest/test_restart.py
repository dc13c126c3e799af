"""A server that restarts during a load test: no figures of the ended process are reported."""

from __future__ import annotations

from pathlib import Path

from chat.loadtest import Options
from chat.loadtest.coordinator import Coordinator
from tests.support.server_process import ServerProcess

VIEWERS = 20


def test_restart_of_the_server_drops_its_figures(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "danmaku.db").start()
    restarted = []

    def restart_once(phase: str, *_: object) -> None:
        if phase == "posting" and not restarted:
            restarted.append(phase)
            server.restart()

    options = Options(
        f"{server.ws_url}/ws/demo",
        viewers=VIEWERS,
        rate=20,
        duration=2.5,
        processes=1,
        settle=1,
    )
    report = Coordinator(options, restart_once).run()
    server.close()
    assert restarted
    assert report.server is None
    assert any("was restarted" in sentence for sentence in report.warnings)
    assert all(load.server is None or load.server >= 0 for load in report.loads)
    assert report.loads[-1].server is None
