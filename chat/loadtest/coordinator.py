"""Runs a load test: starts the worker processes, orders each phase, adds up their outcomes.

It holds no viewers itself. Each worker is a new interpreter, connected by a pipe, so that a test
can be started from any program, with threads or not, and a worker ends when the coordinator does.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from pathlib import Path

import chat
from chat.descriptors import raise_descriptor_limit
from chat.loadtest.connection import Address
from chat.loadtest.ipc import Assignment, Heads, Open, Outcome, Progress, Settle, Start
from chat.loadtest.options import Options, UsageError, choose_processes
from chat.loadtest.report import Load, Report
from chat.loadtest.schedule import SECOND
from chat.loadtest.server_usage import ServerUsage
from chat.loadtest.summary import Course, summarize

LEAD_SECONDS = 0.3  # from the order to start until the first comment is due
SAMPLE_SECONDS = 0.5
INTERRUPTED_SETTLE = 2.0  # seconds; short, because the user pressed Ctrl-C
STRAGGLER_SECONDS = 15.0  # a worker that has not reported this long after its deadline is lost

# Called with the phase, its total, how much of it is done, and the live figures.
Observer = Callable[[str, int, int, list[Progress], Load | None], None]


class WorkerLost(Exception):
    """A worker process ended without its outcome."""


class Coordinator:
    """One load test, from the checks before it to its report. Raises UsageError."""

    def __init__(self, options: Options, observer: Observer | None = None) -> None:
        self.options = options
        self.observer = observer
        address = check_target(options)
        cores = len(options.cpu_list or os.sched_getaffinity(0))
        # Pinned processes leave the rest of the machine to the server already.
        leave_core = address.loopback and not options.cpu_list
        self.processes = choose_processes(options, raise_descriptor_limit(), leave_core, cores)
        self.server = ServerUsage.find(options.target.port) if address.loopback else None
        self.pipes: list[Pipe] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        self.progress: dict[int, Progress] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.course = Course()
        self.sampled = 0.0

    def run(self) -> Report:
        """Run all phases. Raises WorkerLost; KeyboardInterrupt only before viewers connect."""
        course = self.course
        course.mark("before", self.server)
        if self.options.cpu_list:
            os.sched_setaffinity(0, self.options.cpu_list)
        try:
            self._start_workers()
            course.start = time.monotonic()
            try:
                self._open()
                course.mark("open", self.server)
                course.posted = any(one.counters.connected for one in self.progress.values())
                if course.posted:
                    self._post()
            except KeyboardInterrupt:
                course.interrupted = True
            course.end = time.monotonic()
            course.mark("posted", self.server)
            self._settle()
            course.mark("end", self.server)
        finally:
            self._stop_workers()
        return summarize(self.options, list(self.outcomes.values()), course, self.server)

    def _start_workers(self) -> None:
        # Workers import the same `chat` from any working directory.
        folder = str(Path(chat.__file__ or ".").resolve().parent.parent)
        search_path = os.pathsep.join([folder, os.environ.get("PYTHONPATH", "")])
        run = secrets.token_hex(4)
        for index in range(self.processes):
            ours, theirs = multiprocessing.Pipe()
            worker = subprocess.Popen(
                [sys.executable, "-m", "chat.loadtest.worker", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=os.environ | {"PYTHONPATH": search_path},
            )
            theirs.close()
            ours.send(Assignment(self.options, run, index, self.processes))
            self.workers.append(worker)
            self.pipes.append(ours)
        self._receive_until(lambda: len(self.progress) == self.processes)

    def _stop_workers(self) -> None:
        for pipe in self.pipes:
            pipe.close()
        for worker in self.workers:
            try:
                worker.wait(timeout=2)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def _open(self) -> None:
        """Connect the viewers, and wait until each is connected or has failed."""
        asked = self.options.viewers

        def count_tried() -> int:
            counters = [one.counters for one in self.progress.values()]
            return sum(one.connected + one.failed.total() for one in counters)

        self._send(Open())
        self._receive_until(lambda: count_tried() >= asked, "opening", asked, count_tried)

    def _post(self) -> None:
        """Start posting, and wait until its time is over."""
        self.course.start = time.monotonic() + LEAD_SECONDS
        self._send(Start(round(self.course.start * SECOND)))
        end = self.course.start + self.options.duration
        self._receive_until(lambda: time.monotonic() >= end, "posting")

    def _settle(self) -> None:
        """Wait for the answers, so that all heads are known; then until all viewers reach them."""
        patience = INTERRUPTED_SETTLE if self.course.interrupted else self.options.settle
        deadline = time.monotonic() + patience

        def is_answered() -> bool:
            if not self.course.posted or self.course.interrupted or time.monotonic() >= deadline:
                return True
            return all(
                one.counters.answered >= one.counters.sent and not one.due and not one.waiting
                for one in self.progress.values()
            )

        self._receive_until(is_answered, "settling")
        heads: Heads = {}
        for one in self.progress.values():
            for key, seq in one.heads.items():
                heads[key] = max(seq, heads.get(key, 0))
        end = time.monotonic() + patience
        self._send(Settle(heads, round(end * SECOND)))
        last = end + STRAGGLER_SECONDS
        self._receive_until(
            lambda: len(self.outcomes) == self.processes or time.monotonic() > last, "settling"
        )
        if len(self.outcomes) < self.processes:
            raise WorkerLost("a worker of the load tester did not report in time")

    def _send(self, order: Open | Start | Settle) -> None:
        for pipe in self.pipes:
            with contextlib.suppress(BrokenPipeError):
                pipe.send(order)

    def _receive_until(
        self,
        reached: Callable[[], bool],
        phase: str = "starting",
        total: int = 0,
        count_done: Callable[[], int] | None = None,
    ) -> None:
        """Receive from workers, sample the load, and show the progress, until `reached`.

        `count_done` returns how much of `total` is done; without it, seconds of posting count.
        """
        while not reached():
            pipes = {pipe: i for i, pipe in enumerate(self.pipes) if i not in self.outcomes}
            for pipe in wait(list(pipes), timeout=0.1):
                assert isinstance(pipe, Pipe)
                self._receive(pipes[pipe], pipe)
            if len(self.progress) < self.processes:
                continue
            progress = [self.progress[index] for index in range(self.processes)]
            if time.monotonic() - self.sampled >= SAMPLE_SECONDS:
                self.sampled = time.monotonic()
                self.course.sample([one.cpu for one in progress], self.server)
            if self.observer:
                total = total or round(self.options.duration)
                seconds = int(time.monotonic() - self.course.start)
                done = count_done() if count_done else min(total, max(0, seconds))
                load = self.course.loads[-1] if self.course.loads else None
                self.observer(phase, total, done, progress, load)

    def _receive(self, index: int, pipe: Pipe) -> None:
        try:
            message: Progress | Outcome = pipe.recv()
        except (EOFError, ConnectionResetError):
            raise WorkerLost(f"worker {index} of the load tester ended early") from None
        if isinstance(message, Outcome):
            self.outcomes[index] = message
        else:
            self.progress[index] = message


def check_target(options: Options) -> Address:
    """Resolve the target and check that a server listens there. Raises UsageError."""
    target = options.target
    try:
        address = Address.resolve(target.host, target.port)
        socket.create_connection((target.host, target.port), timeout=5).close()
    except OSError as problem:
        reason = (problem.strerror or str(problem) or "no answer").lower()
        sentence = f"No server answers at {target.authority} ({reason}): start the server first."
        raise UsageError(sentence) from None
    return address
