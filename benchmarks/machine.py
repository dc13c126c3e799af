"""Reads this machine: what it is, for the record, and how busy it is, for `quietness`.

The description has no host name and no path. Linux only: the CPU times are from `/proc/stat`.
"""

from __future__ import annotations

import os
import platform
import re
import socket
import statistics
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from benchmarks.quietness import Reading

LOOP_ROUNDS = 1_000  # of one send and one recv; about 2 ms
LOOP_WARM_UPS = 40  # not counted: a core that was idle is slow at first
LOOP_REPEATS = 40
LOOP_BYTES = b"x" * 100
TICKS = os.sysconf("SC_CLK_TCK")
PACKAGES = ("tornado", "websockets", "picows", "starlette", "uvicorn")


def describe_machine() -> dict[str, str]:
    """Return the parts of the machine and the versions of what runs on it."""
    described = {
        "processor": read_processor(),
        "cores": f"{os.cpu_count()} (one for the server, one for the load)",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    for package in PACKAGES:
        try:
            described[package] = version(package)
        except PackageNotFoundError:
            described[package] = "not installed"
    return described


def read_processor() -> str:
    """Return the name of the processor."""
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def read_commit() -> str:
    """Return the commit of this tree, with `-dirty` if files were changed since."""
    where = Path(__file__).parent
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--exclude", "*"],
            cwd=where,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()


def take_reading(cores: Sequence[int]) -> Reading:
    """Time the bare loop on each core, and read the CPU times of all and of our own processes.

    Only child processes that have ended and been waited for count as our own.
    """
    allowed = os.sched_getaffinity(0)
    try:
        loops = tuple(time_loop(core) for core in cores)
    finally:
        os.sched_setaffinity(0, allowed)
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _iowait, irq, softirq, steal = (int(field) for field in fields)
    times = os.times()
    return Reading(
        at=time.monotonic(),
        loops=loops,
        busy=(user + nice + system + irq + softirq) / TICKS,
        own=times.user + times.system + times.children_user + times.children_system,
        steal=steal / TICKS,
    )


def time_loop(core: int) -> float:
    """Return the median duration of a bare loop of `send` and `recv` on a core, in seconds."""
    os.sched_setaffinity(0, {core})
    durations = []
    here, there = socket.socketpair()
    with here, there:
        for _ in range(LOOP_WARM_UPS + LOOP_REPEATS):
            began = time.perf_counter()
            for _ in range(LOOP_ROUNDS):
                here.send(LOOP_BYTES)
                there.recv(256)
            durations.append(time.perf_counter() - began)
    return statistics.median(durations[LOOP_WARM_UPS:])
