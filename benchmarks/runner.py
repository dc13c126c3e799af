"""Runs scenarios one after the other; one that fails or takes too long does not stop the others."""

from __future__ import annotations

import gc
import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from benchmarks.bench import Bench
from benchmarks.figures import Figure, Outcome, Table
from benchmarks.scenarios import find_scenario

SCENARIO_SECONDS = 180
RUN_SECONDS = 14 * 60  # after these nothing is begun that might not end within a quarter of an hour
AGAIN_SECONDS = 30  # more than a server needs to end
PAUSE_SECONDS = 1.0  # between two scenarios, for the kernel to clear away thousands of sockets


class TimeIsUp(Exception):
    """A scenario took longer than it may."""


class NotEnoughCores(Exception):
    """The text says what is missing."""


def choose_cores() -> tuple[int, int]:
    """Return the server's core and the load's. Raises NotEnoughCores."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise NotEnoughCores("The benchmarks need two cores: one for the server, one for the load.")
    return cores[0], cores[1]


def raise_descriptor_limit() -> None:
    """Take as many open files as this process may have; the servers inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run_scenario(name: str, cores: tuple[int, int], quick: bool, seconds: float) -> Outcome:
    """Run one scenario, and keep what it measured even where it did not come to its end."""
    title, measure = find_scenario(name)
    outcome = Outcome(name=name, title=title)
    if seconds < 1:
        outcome.problem = "Not run: the time for the whole run is over."
        return outcome
    bench = Bench(*cores, quick)
    began = time.monotonic()
    try:
        with time_limit(min(SCENARIO_SECONDS, int(seconds))):
            for yielded in measure(bench):
                if isinstance(yielded, Figure):
                    outcome.figures.append(yielded)
                elif isinstance(yielded, Table):
                    outcome.tables.append(yielded)
    except TimeIsUp:
        outcome.problem = f"Given up after {time.monotonic() - began:.0f} s."
    except Exception as error:
        outcome.problem = f"{type(error).__name__}: {error}"
    finally:
        # The load tester has pinned this process to the load's core.
        os.sched_setaffinity(0, cores)
    outcome.notes = bench.notes
    outcome.seconds = round(time.monotonic() - began, 1)
    gc.collect()
    time.sleep(PAUSE_SECONDS)
    return outcome


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeIsUp in the block when it takes longer; its own clean-up runs as for any error."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    # Again after a while, since an event loop takes an error for its connection's and goes on.
    signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
