"""Runs a load test.

Starts the worker processes, leads them from opening to settling, and adds up what they say. It
holds no viewers itself. Each worker is a fresh interpreter at the end of a pipe, so that a test can
be started from any program, threads or not, and a worker ends when the coordinator does.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from pathlib import Path
from typing import Protocol

from msgspec import structs

import chat
from chat.loadtest.connection import Address
from chat.loadtest.exchange import Assignment, Heads, Open, Outcome, Progress, Settle, Start
from chat.loadtest.options import Options, UsageError, choose_processes
from chat.loadtest.plan import SECOND, foresee_rejections, schedule_posts
from chat.loadtest.report import Load, Report
from chat.loadtest.server_usage import Machine, ServerUsage, Usage
from chat.loadtest.summary import Samples, summarize

LEAD_SECONDS = 0.3  # from the order to start until the first comment is due
SAMPLE_SECONDS = 0.5
INTERRUPTED_SETTLE = 2.0  # seconds; who presses Ctrl-C does not want to wait long
STRAGGLER_SECONDS = 15.0  # a worker that says nothing for so long after its deadline is gone


class Observer(Protocol):
    """Someone who watches a test run."""

    def announce(self, sentence: str) -> None:
        """Show a sentence that matters before the test starts."""

    def show_opening(self, options: Options, opened: int, failed: int) -> None:
        """Show how many viewers are in."""

    def show_running(
        self, options: Options, phase: str, seconds: float, progress: list[Progress], load: Load
    ) -> None:
        """Show the live figures; `seconds` are counted from the first comment due."""


class Silence:
    """The observer who does not look."""

    def announce(self, sentence: str) -> None:
        """Say nothing."""

    def show_opening(self, options: Options, opened: int, failed: int) -> None:
        """Show nothing."""

    def show_running(
        self, options: Options, phase: str, seconds: float, progress: list[Progress], load: Load
    ) -> None:
        """Show nothing."""


class WorkerLost(Exception):
    """A worker process ended without its outcome."""


class Coordinator:
    """One load test, from the checks before it to its report."""

    def __init__(self, options: Options, observer: Observer) -> None:
        self.options = options
        self.observer = observer
        self.address = check_target(options)
        descriptors = raise_descriptor_limit()
        cores = len(options.cpu_list or os.sched_getaffinity(0))
        # Pinned processes leave the rest of the machine to the server already.
        self.processes = choose_processes(
            options, descriptors, self.address.loopback and not options.cpu_list, cores
        )
        self.run_name = secrets.token_hex(4)
        self.pipes: list[Pipe] = []
        self.workers: list[subprocess.Popen[bytes]] = []
        self.progress: dict[int, Progress] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.server = ServerUsage.find(options.target.port) if self.address.loopback else None
        self.loads: list[Load] = []
        self.sampled = 0.0
        self.previous: tuple[float, list[float], Usage | None] | None = None
        self.start = 0.0
        self.posting = self.interrupted = False

    # --- the course of a test ---

    def run(self) -> Report:
        """Do it all. Raises UsageError, WorkerLost."""
        if sentence := foresee_rejections(self.options):
            self.observer.announce(sentence)
        samples = Samples(before=self.read_server())
        if self.options.cpu_list:
            os.sched_setaffinity(0, self.options.cpu_list)
        try:
            self.start_workers()
            ended = self.start = time.monotonic()
            try:
                self.open()
                samples.open, samples.machine_open = self.read_server(), Machine.read()
                self.posting = any(one.opened for one in self.progress.values())
                if self.posting:
                    self.post()
            except KeyboardInterrupt:
                self.interrupted = True
            ended = time.monotonic()
            samples.posted, samples.machine_posted = self.read_server(), Machine.read()
            self.settle()
            samples.end = self.read_server()
        finally:
            self.stop_workers()
        return summarize(
            self.options,
            [self.outcomes[index] for index in sorted(self.outcomes)],
            [structs.replace(load, at_s=round(load.at_s - self.start, 2)) for load in self.loads],
            samples,
            pids=self.server.pids if self.server else [],
            planned=len(schedule_posts(self.options)),
            seconds=max(0.0, min(ended - self.start, self.options.duration))
            if self.posting
            else 0.0,
            interrupted=self.interrupted,
        )

    def start_workers(self) -> None:
        """Start them and wait until each has reported once."""
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([package_folder(), os.environ.get("PYTHONPATH", "")])
        }
        for index in range(self.processes):
            ours, theirs = multiprocessing.Pipe()
            command = [sys.executable, "-m", "chat.loadtest.worker", str(theirs.fileno())]
            self.workers.append(
                subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment)
            )
            theirs.close()
            ours.send(Assignment(self.options, self.run_name, index, self.processes))
            self.pipes.append(ours)
        self.listen_until(lambda: len(self.progress) == self.processes)

    def open(self) -> None:
        """Let the viewers in, and wait until each is in or has failed."""
        self.tell(Open())
        asked = self.options.viewers

        def everyone_tried() -> bool:
            opened = sum(one.opened for one in self.progress.values())
            failed = sum(one.failed for one in self.progress.values())
            self.observer.show_opening(self.options, opened, failed)
            return opened + failed >= asked

        self.listen_until(everyone_tried)

    def post(self) -> None:
        """Let the posting begin, and wait until its time is over."""
        self.start = time.monotonic() + LEAD_SECONDS
        self.tell(Start(round(self.start * SECOND)))
        end = self.start + self.options.duration
        self.listen_until(lambda: time.monotonic() >= end, "posting")

    def settle(self) -> None:
        """Wait for the answers, so that all heads are known; then for everyone to reach them."""
        patience = INTERRUPTED_SETTLE if self.interrupted else self.options.settle
        deadline = time.monotonic() + patience

        def answered() -> bool:
            done = not self.posting or all(
                one.answered >= one.sent and not one.due and not one.waiting
                for one in self.progress.values()
            )
            return done or self.interrupted or time.monotonic() >= deadline

        self.listen_until(answered, "settling")
        heads: Heads = {}
        for one in self.progress.values():
            for key, seq in one.heads.items():
                heads[key] = max(seq, heads.get(key, 0))
        end = time.monotonic() + patience
        self.tell(Settle(heads, round(end * SECOND)))
        last = end + STRAGGLER_SECONDS
        self.listen_until(
            lambda: len(self.outcomes) == self.processes or time.monotonic() > last, "settling"
        )
        if len(self.outcomes) < self.processes:
            raise WorkerLost("a worker of the load tester did not report in time")

    def stop_workers(self) -> None:
        """End the processes, by force if they do not hear."""
        for pipe in self.pipes:
            pipe.close()
        for worker in self.workers:
            try:
                worker.wait(timeout=2)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    # --- talking to the workers ---

    def tell(self, order: Open | Start | Settle) -> None:
        """Send an order to all workers."""
        for pipe in self.pipes:
            with contextlib.suppress(BrokenPipeError):
                pipe.send(order)

    def listen_until(self, reached: Callable[[], bool], phase: str = "") -> None:
        """Read what workers say, look at the load, and show it as `phase`, until `reached`."""
        while not reached():
            waiting = [pipe for index, pipe in enumerate(self.pipes) if index not in self.outcomes]
            ready = wait(waiting, timeout=0.1)
            for index, pipe in enumerate(self.pipes):
                if pipe in ready:
                    self.hear(index, pipe)
            self.sample()
            if phase:
                self.show(phase)

    def hear(self, index: int, pipe: Pipe) -> None:
        """Take one word of a worker. Raises WorkerLost."""
        try:
            said: Progress | Outcome = pipe.recv()
        except (EOFError, ConnectionResetError):
            raise WorkerLost(f"worker {index} of the load tester ended without a word") from None
        if isinstance(said, Outcome):
            self.outcomes[index] = said
        else:
            self.progress[index] = said

    def show(self, phase: str) -> None:
        """Hand the live figures to the observer."""
        if self.loads:
            progress = [self.progress[index] for index in sorted(self.progress)]
            seconds = time.monotonic() - self.start
            self.observer.show_running(self.options, phase, seconds, progress, self.loads[-1])

    # --- looking at the load ---

    def read_server(self) -> Usage | None:
        """Read the server's usage, where it is known."""
        return self.server.read() if self.server else None

    def sample(self) -> None:
        """Note the load, twice a second."""
        moment = time.monotonic()
        if moment - self.sampled < SAMPLE_SECONDS or len(self.progress) < self.processes:
            return
        self.sampled = moment
        tester = [self.progress[index].cpu for index in sorted(self.progress)]
        server = self.read_server()
        if self.previous:
            then, tester_then, server_then = self.previous
            took = moment - then
            self.loads.append(
                Load(
                    moment,
                    [
                        round((now - before) / took, 3)
                        for now, before in zip(tester, tester_then, strict=True)
                    ],
                    round((server.cpu - server_then.cpu) / took, 3)
                    if server and server_then
                    else None,
                    server.memory if server else None,
                )
            )
        self.previous = (moment, tester, server)


def check_target(options: Options) -> Address:
    """Resolve the target and see that somebody listens there. Raises UsageError."""
    target = options.target
    try:
        address = Address.resolve(target.host, target.port)
        socket.create_connection((target.host, target.port), timeout=5).close()
    except OSError as problem:
        reason = problem.strerror or str(problem) or "no answer"
        raise UsageError(
            f"Nobody answers at {target.authority} ({reason.lower()}): start the server first."
        ) from None
    return address


def raise_descriptor_limit() -> int:
    """Take all the open files that this process may have; workers inherit it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1_000_000


def package_folder() -> str:
    """Where `chat` lies, so that workers find the same one from any working directory."""
    return str(Path(chat.__file__ or ".").resolve().parent.parent)
