"""The command line of the load tester: arguments, output, exit status."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import websocket

from chat.loadtest import Options, UsageError
from chat.loadtest.options import choose_processes, read_arguments
from chat.loadtest.schedule import foresee_rejections
from tests.support.server_process import ROOT

StartStub = Callable[[str], str]
QUICK = [
    "--viewers",
    "20",
    "--rate",
    "20",
    "--duration",
    "0.5",
    "--processes",
    "1",
    "--settle",
    "1",
]
URL = "ws://127.0.0.1:8888/ws/demo"


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "chat.loadtest", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Where the tests run in the background of a shell, they and all they start ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def run_command(*arguments: str) -> tuple[int, str]:
    command = start(*arguments)
    output, _ = command.communicate(timeout=60)
    return command.returncode, output


def test_good_run_prints_figures_and_exits_with_0(start_stub: StartStub, tmp_path: Path) -> None:
    figures, page = tmp_path / "figures.json", tmp_path / "page.html"
    status, output = run_command(
        start_stub("none"), *QUICK, "--json", str(figures), "--report", str(page)
    )
    assert status == 0, output
    assert "10 of 10" in output
    assert "200 of 200" in output
    read = json.loads(figures.read_text())
    assert read["delivered"] == 200
    assert read["exit_code"] == 0
    assert read["server"]["cpu_s"] >= 0
    html = page.read_text()
    assert html.count("<svg") >= 3
    assert "<script" not in html
    assert 'src="http' not in html


def test_loss_is_reported_and_exits_with_1(start_stub: StartStub) -> None:
    status, output = run_command(start_stub("omit"), *QUICK)
    assert status == 1
    assert "20 deliveries were lost." in output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["ws://127.0.0.1:1/ws/demo"], "start the server first"),
        (["wss://127.0.0.1:1/ws/demo"], "only ws://"),
        (["http://127.0.0.1:1/"], "it looks like ws://"),
        (["ws://127.0.0.1:1/ws/De%20mo"], "is not a room name"),
        (["ws://127.0.0.1:99999/ws/demo"], "is not an address"),
        ([URL, "--viewers", "0"], "--viewers must be from 1 to"),
        ([URL, "--duration", "0"], "--duration must be from 0.001 to"),
        ([URL, "--slow", "5"], "write it like 1%"),
        ([URL, "--slow", "500%"], "write it like 1%"),
        ([URL, "--slow", "100%"], "no viewer is left to post"),
        ([URL, "--cpu-list", "9999"], "CPU 9999 is not available"),
        ([URL, "--compress", "--transport", "long-poll"], "--transport websocket"),
        ([URL, "--profile", "burst", "--duration", "2"], "--duration 3 or more"),
        ([URL, "--rate", "inf"], "--rate must be from 0 to"),
        ([URL, "--settle", "inf"], "--settle must be from 0 to"),
        ([URL, "--history", "301"], "--history must be from 0 to 300"),
        ([URL, "--report", "/nowhere/page.html"], "cannot be written"),
        ([URL, "--json", "/proc/figures.json"], "cannot be written"),
        ([URL, "--viewers", "500000", "--processes", "1"], "use --processes"),
    ],
)
def test_wrong_options_print_one_sentence_and_exit_with_2(
    arguments: list[str], sentence: str, start_stub: StartStub
) -> None:
    if "--processes" in arguments:  # asked of the machine, once a server is there
        arguments = [start_stub("none"), *arguments[1:]]
    status, output = run_command(*arguments)
    assert status == 2
    assert sentence in " ".join(output.split())
    assert "Traceback" not in output


def test_interrupt_prints_the_figures_so_far(start_stub: StartStub) -> None:
    url = start_stub("none")
    watcher = websocket.create_connection(url, timeout=20)
    command = start(url, *QUICK, "--duration", "60")
    while '"batch"' not in watcher.recv():
        pass  # posting has begun when its first comment is seen
    watcher.close()
    command.send_signal(signal.SIGINT)
    output, _ = command.communicate(timeout=20)
    assert command.returncode == 0, output
    assert "Interrupted" in output
    assert "Traceback" not in output


def test_load_above_the_default_rate_limit_has_a_warning() -> None:
    assert foresee_rejections(Options(URL, viewers=2000, rate=50)) is None
    assert "Expect rejections" in (foresee_rejections(Options(URL, viewers=10, rate=50)) or "")
    burst = Options(URL, viewers=100, rate=50, profile="burst")
    assert "in the burst" in (foresee_rejections(burst) or "")


def test_number_of_processes_follows_from_descriptors_and_cores() -> None:
    many = Options(URL, viewers=50_000)
    assert choose_processes(many, 20_000, loopback=True, cores=2) == 3
    assert choose_processes(Options(URL, viewers=2000), 20_000, loopback=True, cores=2) == 1
    assert choose_processes(Options(URL, viewers=2000), 20_000, loopback=False, cores=8) == 4
    polling = Options(URL, viewers=15_000, transport="long-poll")
    assert choose_processes(polling, 20_000, loopback=True, cores=2) == 2
    with pytest.raises(UsageError, match="use --processes 3"):
        choose_processes(Options(URL, viewers=50_000, processes=1), 20_000, True, 2)
    with pytest.raises(UsageError, match="may open only 40 files"):
        choose_processes(Options(URL), 40, True, 2)


def test_slow_viewers_are_spread_over_the_numbers() -> None:
    options = Options(URL, viewers=1000, slow=0.01)
    slow = [number for number in range(1000) if options.is_slow(number)]
    assert len(slow) == options.slow_viewers == 10
    assert all(later - earlier == 100 for earlier, later in pairwise(slow))


def test_command_line_becomes_options() -> None:
    options, *_ = read_arguments([URL, "--viewers", "7", "--slow", "2.5%", "--rooms", "3"])
    assert options == Options(URL, viewers=7, slow=0.025, rooms=3)
    assert options.room_names == ["demo-0", "demo-1", "demo-2"]


def test_report_shows_every_figure_and_chart_without_a_script(
    start_stub: StartStub, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    status, output = run_command(
        start_stub("none"), *QUICK, "--duration", "2", "--report", str(page)
    )
    assert status == 0, output
    html = page.read_text()
    for title in ("Latency", "Deliveries by latency", "Deliveries a second", "Posts a second"):
        assert f'aria-label="{title}"' in html
    for title in ("CPU, of one core", "Memory of the server, resident"):
        assert f'aria-label="{title}"' in html
    assert "<td>posted</td><td>40 of 40 in 2 s</td>" in html
    assert "<script" not in html
    assert "http:" not in html


def test_make_run_installs_what_the_tester_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {re.split("[<>=]", one)[0] for one in project["optional-dependencies"]["loadtest"]}
    installed = re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/run.txt").read_text(), re.M)
    assert needed <= set(installed)
