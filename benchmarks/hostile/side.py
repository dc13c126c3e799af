"""One of the two source trees that are compared, and how its servers are started and loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.hostile.floods import ROOM, Flood
from benchmarks.process import Server
from chat.loadtest import Options, Report, run

SETTLE_SECONDS = 5.0
CONNECTS_PER_SECOND = 3_000.0
DATABASE = "{folder}/bench.db"
FLOOD_ADDRESS = "203.0.113.7"  # of the range for documentation, RFC 5737
TRUSTED_PROXIES = "--trusted-proxies"

Figures = dict[str, float | str]  # what an attack does to a server, by what is measured


class Side:
    """A source tree, whose ``server.py`` is only run as a program.

    ``load_core`` is where attacks and viewers run.
    """

    def __init__(self, name: str, root: Path, server_core: int, load_core: int) -> None:
        self.name = name
        self.root = root
        self.server_core = server_core
        self.load_core = load_core

    def start(self, *flags: str, database: str = DATABASE, open_files: int | None = None) -> Server:
        """Return a server to enter; its limits are the defaults, unless ``flags`` say otherwise."""
        command = ["server.py", "--port", "{port}", "--database", f"sqlite:///{database}", *flags]
        if self.forwards:
            command += [TRUSTED_PROXIES, "127.0.0.1"]
        return Server(self.name, command, self.server_core, self.root, open_files)

    @cached_property
    def forwards(self) -> bool:
        """Whether this tree's server can take the address of a peer from a header.

        Loopback has no budgets of an address: without this they are not in force.
        """
        done = subprocess.run(
            [sys.executable, "server.py", "--help"], cwd=self.root, capture_output=True, text=True
        )
        return TRUSTED_PROXIES in done.stdout

    def flood(self, kind: str, server: Server) -> Flood:
        """Return a flood to enter."""
        address = FLOOD_ADDRESS if self.forwards else None
        return Flood(kind, server.port, self.load_core, address)

    def load(self, server: Server, viewers: int, rate: float, seconds: float) -> Report:
        """Let viewers follow the flooded room and post, and return what they saw."""
        more: dict[str, Any] = {"cpu_list": (self.load_core,), "settle": SETTLE_SECONDS}
        try:
            return run(
                Options(
                    f"ws://127.0.0.1:{server.port}/ws/{ROOM}",
                    viewers=viewers,
                    rate=rate,
                    duration=seconds,
                    history=0,
                    connect_rate=CONNECTS_PER_SECOND,
                    **more,
                )
            )
        finally:
            # The load tester pinned this process to the load's core.
            os.sched_setaffinity(0, {self.server_core, self.load_core})
