"""What the tests of nginx and of Caddy share: the documented configuration, and the sites."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import time
from typing import NamedTuple

from tests.support.server_process import ROOT

START_SECONDS = 10


class Front(NamedTuple):
    """A site of a proxy, as a viewer reaches it; ``prefix`` is the path that the server has."""

    port: int
    trust: ssl.SSLContext
    prefix: str

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"wss://127.0.0.1:{self.port}"


def read_blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a page of the docs."""
    text = (ROOT / "docs" / page).read_text()
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def find_free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_until_listening(port: int, running: subprocess.Popen[str]) -> None:
    """Wait for a proxy that was started; its output is shown when it has ended."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            assert running.poll() is None, running.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.01)
        else:
            return
