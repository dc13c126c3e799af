"""Runs one scenario, and keeps what it measured even if it fails or takes too long."""

from __future__ import annotations

import gc
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from benchmarks.figures import Figure, Outcome, Table
from benchmarks.harness import Harness
from benchmarks.machine import read_commit
from benchmarks.scenarios import find_scenario

SCENARIO_SECONDS = 240  # with the repeats of disturbed measurements
REPEAT_SECONDS = 30  # more than a server needs to end
PAUSE_SECONDS = 1.0  # between two scenarios, for the kernel to free thousands of sockets


class ScenarioTimeout(Exception):
    """A scenario took longer than `SCENARIO_SECONDS`."""


class NotEnoughCores(Exception):
    """The text says what is missing."""


def choose_cores() -> tuple[int, int]:
    """Return the server's core and the load's. Raises NotEnoughCores."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise NotEnoughCores("The benchmarks need two cores: one for the server, one for the load.")
    return cores[0], cores[1]


def run_scenario(name: str, cores: tuple[int, int], quick: bool) -> Outcome:
    """Run one scenario; what it measured before it failed is in the outcome too."""
    title, measure = find_scenario(name)
    outcome = Outcome(
        name=name,
        title=title,
        began=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        commit=read_commit(),
    )
    harness = Harness(*cores, quick)
    began = time.monotonic()
    try:
        with time_limit(SCENARIO_SECONDS):
            for yielded in measure(harness):
                if isinstance(yielded, Figure):
                    outcome.figures.append(yielded)
                elif isinstance(yielded, Table):
                    outcome.tables.append(yielded)
    except ScenarioTimeout:
        outcome.problem = f"Stopped after {time.monotonic() - began:.0f} s: it took too long."
    except Exception as error:
        outcome.problem = f"{type(error).__name__}: {error}"
    finally:
        # The load tester pinned this process to the load's core.
        os.sched_setaffinity(0, cores)
    outcome.notes, outcome.disturbances = harness.notes, harness.disturbances
    outcome.loops_ms = [round(sum(reading.loops) * 1000, 3) for reading in harness.readings]
    outcome.seconds = round(time.monotonic() - began, 1)
    gc.collect()
    time.sleep(PAUSE_SECONDS)
    return outcome


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise ScenarioTimeout in the block if it takes longer; clean-up runs as for any exception."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise ScenarioTimeout

    before = signal.signal(signal.SIGALRM, interrupt)
    # Repeated, because an event loop may handle the first exception as one of a connection.
    signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
