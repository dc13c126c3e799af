"""Reads a server's metrics, and from the kernel how long it waited for a processor."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.support.server_process import ServerProcess


def read_metric(server: ServerProcess, name: str) -> float:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found, name
    return float(found[1])


def read_seconds_queued(server: ServerProcess) -> float:
    """Return how long a server's main thread has waited for a processor; 0 if unknown."""
    assert server.process is not None
    try:
        # Computing, waiting, turns: proc(5) and the kernel's sched-stats.rst, in nanoseconds.
        return int(Path(f"/proc/{server.process.pid}/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


async def wait_for_metric(
    server: ServerProcess, name: str, is_right: Callable[[float], bool], seconds: float
) -> float:
    """Return a metric's value as soon as it is right; fail if that takes too long."""
    end = time.monotonic() + seconds
    while True:
        value = await asyncio.to_thread(read_metric, server, name)
        if is_right(value):
            return value
        assert time.monotonic() < end, f"{name} is {value} after {seconds} s"
        await asyncio.sleep(0.1)
