"""A server under test: a process of its own, alone on one core, ended by its id.

It is started with a free port, is ready once somebody listens there, and is gone when the `with`
block is left, whatever happened in it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import psutil

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 20.0
END_SECONDS = 8.0
ROOM = "bench"


class StartError(Exception):
    """A server did not start; the text has its last words."""


class Server:
    """A process that listens on ``port``; ``command`` has ``{port}`` and ``{folder}`` filled in.

    ``folder`` is a fresh one that goes with the process: our server's database lies there, on the
    disk, since durable is what is measured.
    """

    def __init__(self, name: str, command: list[str], core: int) -> None:
        self.name = name
        self.port = find_free_port()
        self._core = core
        self._folder = tempfile.TemporaryDirectory(prefix="benchmark-")
        place = {"port": self.port, "folder": self._folder.name}
        self._command = [word.format_map(place) for word in command]
        self._log = Path(self._folder.name, "output")

    @property
    def url(self) -> str:
        """Where the load tester connects."""
        return f"ws://127.0.0.1:{self.port}/ws/{ROOM}"

    @property
    def http(self) -> str:
        """Where its pages and its API begin."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Server:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=lambda: os.sched_setaffinity(0, {self._core}),
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def stop(self) -> str:
        """End it now, and return what it printed."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        return self._log.read_text(errors="replace")

    def memory(self) -> int:
        """Resident bytes."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def cpu(self) -> float:
        """Seconds of CPU used so far, to a hundredth."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                ended = self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    said = self._log.read_text(errors="replace").strip()
                    raise StartError(f"{self.name} did not start: {said[-600:]}") from None
                time.sleep(0.05)
            else:
                return

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()


def find_free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
