"""Reads this machine: what it is, for the record, and how busy it is, for `quietness`.

The description has no host name and no path. Linux only: the CPU times are from `/proc/stat`.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import re
import socket
import statistics
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from benchmarks.quietness import Reading

LOOP_ROUNDS = 1_000  # of one send and one recv; about 1 ms
LOOP_WARM_UP_SECONDS = 0.1  # not counted: a core that was idle is slow at first
LOOP_SECONDS = 0.3
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
    loops = time_loops(cores)
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


def time_loops(cores: Sequence[int]) -> tuple[float, ...]:
    """Return the duration of the bare loop on each core, in seconds.

    All cores run it at the same time, because a core's speed depends on whether the others are
    busy, and while a server is measured they are.
    """
    fork = multiprocessing.get_context("fork")
    children = []
    for core in cores:
        receiver, sender = fork.Pipe(duplex=False)
        child = fork.Process(target=time_loop, args=(core, sender))
        child.start()
        sender.close()
        children.append((child, receiver))
    durations = [receiver.recv() for _, receiver in children]
    for child, _ in children:
        child.join()
    return tuple(durations)


def time_loop(core: int, sender: Connection[float, Any]) -> None:
    """Send the median duration of a bare loop of `send` and `recv` on a core, in seconds."""
    os.sched_setaffinity(0, {core})
    durations = []
    here, there = socket.socketpair()
    began = time.perf_counter()
    counted = began + LOOP_WARM_UP_SECONDS
    with here, there:
        while began < counted + LOOP_SECONDS or not durations:
            for _ in range(LOOP_ROUNDS):
                here.send(LOOP_BYTES)
                there.recv(256)
            ended = time.perf_counter()
            if began >= counted:
                durations.append(ended - began)
            began = ended
    sender.send(statistics.median(durations))
