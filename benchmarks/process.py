"""A server under test: a process of its own, pinned to one core, stopped by its process id.

It gets a free port, is ready once something listens there, and has ended when the `with` block is
left.
"""

from __future__ import annotations

import contextlib
import os
import resource
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
STOP_SECONDS = 8.0
OUTPUT_CHARACTERS = 600  # of a server's output, shown when it did not start
ROOM = "bench"


class StartError(Exception):
    """A server did not start; the text ends with its output."""


class Server:
    """A process that listens on ``port``; ``command`` has ``{port}`` and ``{folder}`` filled in.

    ``folder`` is a new directory on disk that is deleted with the process; our server keeps its
    database there. ``root`` is the source tree to run in, ``open_files`` its limit of descriptors.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        core: int,
        root: Path = ROOT,
        open_files: int | None = None,
    ) -> None:
        self.name = name
        self._open_files = open_files
        self.port = find_free_port()
        self._core = core
        self._root = root
        self._folder = tempfile.TemporaryDirectory(prefix="benchmark-")
        place = {"port": self.port, "folder": self._folder.name}
        self._command = [word.format_map(place) for word in command]
        self._log = Path(self._folder.name, "output")

    @property
    def url(self) -> str:
        """The room's address for the load tester."""
        return f"ws://127.0.0.1:{self.port}/ws/{ROOM}"

    @property
    def http(self) -> str:
        """The prefix of its pages and its API."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Server:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._command],
                cwd=self._root,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=self._limit,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def stop(self) -> str:
        """Stop it now, and return its output."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        return self._log.read_text(errors="replace")

    def _limit(self) -> None:
        os.sched_setaffinity(0, {self._core})
        if self._open_files is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self._open_files, self._open_files))

    def read_output(self) -> str:
        """Return what it has written so far."""
        return self._log.read_text(errors="replace")

    def count_sockets(self) -> int:
        """Return how many sockets it has open."""
        count = 0
        for descriptor in Path(f"/proc/{self._process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # closed meanwhile
                count += os.readlink(descriptor).startswith("socket:")
        return count

    def memory(self) -> int:
        """Return the resident bytes."""
        return int(psutil.Process(self._process.pid).memory_info().rss)

    def cpu(self) -> float:
        """Return the seconds of CPU time used so far by the threads that are alive.

        Exact to a microsecond, unlike psutil's clock ticks of 10 ms.
        """
        threads = Path(f"/proc/{self._process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                ended = self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    output = self._log.read_text(errors="replace").strip()
                    raise StartError(
                        f"{self.name} did not start: {output[-OUTPUT_CHARACTERS:]}"
                    ) from None
                time.sleep(0.02)
            else:
                return

    def _stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()


def find_free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
