"""CPU and memory of the server and of the whole machine, when the server runs on this machine.

The server is the process that listens on the port, with its children. If it cannot be found or
read there are no figures, and the report has a warning.
"""

from __future__ import annotations

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """The total usage of some processes."""

    cpu: float  # seconds since the processes began
    memory: int  # bytes, resident


@dataclass(frozen=True, slots=True)
class MachineUsage:
    """The usage of the whole machine, in seconds of CPU since its start."""

    busy: float
    total: float

    @classmethod
    def read(cls) -> MachineUsage:
        times = psutil.cpu_times()
        # Guest time is in user time already.
        total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
        return cls(total - times.idle - getattr(times, "iowait", 0.0), total)


class ServerUsage:
    """The processes behind one port."""

    def __init__(self, processes: list[psutil.Process]) -> None:
        self.processes = processes

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self.processes]

    @classmethod
    def find(cls, port: int) -> ServerUsage | None:
        """Find what listens on a port of this machine; None without the right to look."""
        try:
            found: dict[int, psutil.Process] = {}
            for connection in psutil.net_connections("tcp"):
                is_listening = connection.status == psutil.CONN_LISTEN
                if is_listening and connection.laddr.port == port and connection.pid:
                    process = psutil.Process(connection.pid)
                    found[process.pid] = process
                    found |= {child.pid: child for child in process.children(recursive=True)}
        except psutil.Error:
            return None
        return cls([found[pid] for pid in sorted(found)]) if found else None

    def read(self) -> Usage | None:
        """Return the usage so far; None once a process has ended, whose share is lost with it."""
        cpu, memory = 0.0, 0
        try:
            for process in self.processes:
                with process.oneshot():
                    times = process.cpu_times()
                    cpu += times.user + times.system
                    memory += process.memory_info().rss
                    if process.status() == psutil.STATUS_ZOMBIE:
                        return None
        except psutil.Error:
            return None
        return Usage(cpu, memory)
