"""The programs in the READMEs run as printed."""

from __future__ import annotations

import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.support.server_process import ROOT, ServerProcess

ADDRESS = "ws://127.0.0.1:8888/ws/demo"
RECEIVE_SECONDS = 20


def programs() -> Iterator[pytest.param]:
    for page in ("README.md", "README.zh-CN.md"):
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
        for number, block in enumerate(blocks):
            yield pytest.param(block, id=f"{page}-{number}")


@pytest.mark.parametrize("program", list(programs()))
def test_program_of_front_page_receives_its_own_comment(
    server: ServerProcess, room: str, program: str
) -> None:
    assert ADDRESS in program
    posted = re.search(r'"text": "(.*?)"|\.post\("(.*?)"', program)
    assert posted
    program = program.replace(ADDRESS, f"{server.ws_url}/ws/{room}")
    lines: queue.Queue[str] = queue.Queue()
    with subprocess.Popen(
        [sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:

        def read() -> None:
            for line in process.stdout or ():
                lines.put(line)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            line = lines.get(timeout=RECEIVE_SECONDS)
            assert "Robot" in line
            assert (posted[1] or posted[2]) in line
        finally:
            process.kill()
            reader.join()


def test_client_in_ten_lines_has_ten_at_most() -> None:
    shortest = next(programs()).values[0]
    assert len(shortest.strip().splitlines()) <= 10
