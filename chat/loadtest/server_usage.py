"""What the server itself uses, when it runs on this machine.

CPU seconds and resident memory, from the kernel by psutil. The server is whoever listens on the
port, and its children. Without psutil, or without the right to look, there are no figures, and the
report says so.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

try:
    import psutil
except ImportError:  # an extra: the test itself does not need it
    psutil = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes used, together."""

    cpu: float  # seconds since the processes began
    memory: int  # bytes, resident, of all processes together


@dataclass(frozen=True, slots=True)
class Machine:
    """What all programs of this machine used, in seconds of CPU since it began."""

    busy: float
    total: float

    @classmethod
    def read(cls) -> Machine | None:
        """Read it as it is now; None without psutil."""
        if psutil is None:
            return None
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
        """The processes, by number."""
        return [process.pid for process in self.processes]

    @classmethod
    def find(cls, port: int) -> ServerUsage | None:
        """Find who listens on a port of this machine."""
        if psutil is None:
            return None
        try:
            listening = {
                connection.pid
                for connection in psutil.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN
                and connection.laddr.port == port
                and connection.pid
            }
            family = {pid: psutil.Process(pid) for pid in listening}
            for process in list(family.values()):
                family.update({child.pid: child for child in process.children(recursive=True)})
        except psutil.Error:
            return None
        return cls([family[pid] for pid in sorted(family)]) if family else None

    def read(self) -> Usage:
        """Read the usage as it is now."""
        cpu, memory = 0.0, 0
        for process in self.processes:
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                cpu += times.user + times.system
                memory += process.memory_info().rss
        return Usage(cpu, memory)
