"""The server of a simulated world: the program's own ``Server``, whose process comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from chat.app import Resources, Server, ServerLimits
from chat.environment import Clock
from chat.hub import HubLimits
from chat.journal.local import JournalLimits
from chat.settings import Settings
from chat.web.identity.keys import Keys
from tests.simulation.archive import Disk, SimulatedArchive
from tests.simulation.faulty_disk import FaultyDisk
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Network
from tests.simulation.plan import Plan
from tests.simulation.timeline import Timeline
from tests.simulation.tls import TlsLikeContext

FIRST_DAY_MS = 1_790_000_000_000
DESCRIPTORS = 10_000
SECRET = b"a secret of thirty-two bytes ...."


class _TlsLikeCertificate:
    def __init__(self) -> None:
        self.context = TlsLikeContext(16)

    def reload(self) -> None:
        pass


class Host:
    """The machine that the server runs on. ``process`` is None while it is down.

    ``errors``: what the program or asyncio logged that it never should.
    """

    def __init__(
        self,
        plan: Plan,
        timeline: Timeline,
        network: Network,
        disk: Disk,
        faults: FaultyDisk,
        on_error: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._timeline = timeline
        self._network = network
        self._disk = disk
        self._faults = faults
        self._on_error = on_error
        self._starts = 0
        self._clock_step = 0
        self.process: SimulatedLoop | None = None
        self.server: Server | None = None
        self.is_stopping = False
        self._background: set[str] = set()
        self.kills = 0
        self.stopped_at = -1.0  # when the last server that was told to stop had stopped
        self.keys = Keys([SECRET])

    def start(self) -> None:
        """Start a process on what is on the disk; does nothing while one runs."""
        if self.process is not None:
            return
        self._starts += 1
        self.is_stopping = False
        plan = self._plan
        process = self.process = SimulatedLoop(
            f"server {self._starts}",
            self._timeline,
            busy=plan.busy,
            tick=plan.tick,
            job_times=self._faults.job_times,
            on_error=self._on_error,
        )
        self._timeline.record("start", process.name)
        process.call_soon(self._boot, process)

    def _boot(self, process: SimulatedLoop) -> None:
        plan = self._plan
        limits = ServerLimits(
            hub=HubLimits(**plan.hub), journal=JournalLimits(**plan.journal), sweep_seconds=1.0
        )
        sockets: list[Any] = [self._network.listen(process)]
        certificate: Any = _TlsLikeCertificate() if plan.is_encrypted else None
        resources = Resources(
            sockets=sockets,
            archive=SimulatedArchive(self._disk),
            keys=self.keys,
            descriptors=DESCRIPTORS,
            certificate=certificate,
            clock=Clock(process.time, self.unix_ms),
            random=Random(f"{plan.seed} server {self._starts}"),
        )
        self.server = Server(Settings(**plan.settings), resources, limits)
        self.server.start()
        self._background = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}

    def count_background_tasks(self) -> int:
        """Return how many of the tasks that the server began with still run."""
        assert self.process is not None
        tasks = asyncio.all_tasks(self.process)
        return sum(task.get_coro().__qualname__ in self._background for task in tasks)

    def unix_ms(self) -> int:
        return FIRST_DAY_MS + self._clock_step + int(self._timeline.now * 1000)

    def step_clock(self, ms: int) -> None:
        self._clock_step += ms

    def kill(self) -> None:
        """End the process between two callbacks."""
        process, self.process, self.server = self.process, None, None
        if process is not None:
            self.kills += 1
            self._timeline.record("kill", process.name, self._disk.commits)
            process.kill()

    def stop(self, then: Callable[[], None]) -> None:
        """Stop the server in order, as SIGTERM does; ``then`` is called once it has ended."""
        process, server = self.process, self.server
        if process is None or server is None or self.is_stopping:
            return
        self.is_stopping = True
        self._timeline.record("stop", process.name)

        async def end() -> None:
            await server.stop()
            self.stopped_at = self._timeline.now
            process.call_soon(finish)

        def finish() -> None:
            if self.process is process:
                self.process = self.server = None
                for socket in list(process.sockets.values()):
                    socket.close()  # type: ignore[attr-defined]
                process.end()
                then()

        process.call_soon(process.create_task, end())
