"""strace on a running server: its system calls in order, and injected failures of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

WAIT_SECONDS = 10


@contextmanager
def strace(pid: int, *arguments: str) -> Iterator[None]:
    """Run strace on a process and all its threads for as long as the block lasts."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace: apt-get install strace")
    tracer = subprocess.Popen(
        ["strace", "-f", "-p", str(pid), *arguments], stderr=subprocess.PIPE, text=True
    )
    try:
        assert tracer.stderr is not None
        line = tracer.stderr.readline()
        assert "attached" in line, line
        yield
    finally:
        tracer.terminate()
        tracer.communicate(timeout=WAIT_SECONDS)


class Trace:
    """The calls of a trace, one a line: what was written, when it was synced, what was sent.

    Two threads' calls may be parted by one another: ``fdatasync(7 <unfinished ...>`` and later
    ``<... fdatasync resumed>) = 0``. What counts is when a sync began and that it ended well.
    """

    def __init__(self, log: Path, words: str) -> None:
        self.syncs = 0
        self.early: list[str] = []
        self.sent: set[str] = set()
        self._words = re.compile(words)
        self._written: set[str] = set()
        self._durable: set[str] = set()
        self._syncing: dict[str, set[str]] = {}
        for line in log.read_text(errors="replace").splitlines():
            thread, _, call = line.partition(" ")
            self._read(thread, call.strip())

    def _read(self, thread: str, call: str) -> None:
        found = set(self._words.findall(call))
        if call.startswith("pwrite64") and "-wal>" in call:
            self._written |= found
        elif call.startswith("fdatasync") and "-wal>" in call:
            self._syncing[thread] = set(self._written)
        elif call.startswith("sendto"):
            self.sent |= found
            self.early += [f"{word} in {call[:200]}" for word in found - self._durable]
        if "fdatasync" in call and call.endswith("= 0") and thread in self._syncing:
            self._durable |= self._syncing.pop(thread)
            self.syncs += 1
