"""Decides from two readings of the machine whether a measurement between them can be trusted.

Pure: `benchmarks/machine.py` takes the readings, and `benchmarks/harness.py` repeats what was
disturbed. A measurement is trusted when a bare loop took the same time before and after it, the
hypervisor withheld no CPU time, and no other process used a noticeable share of a core.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

import msgspec

LOOP_TOLERANCE = 0.10  # difference between two timings of the bare loop on one core
MAX_STEAL = 0.02  # share of a core, over all cores
MAX_OTHERS = 0.10  # share of a core, over all cores


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """The machine at one moment; all CPU times are seconds, counted from any fixed moment."""

    at: float  # monotonic clock, seconds
    loops: tuple[float, ...]  # duration of the bare loop on each core, seconds
    busy: float  # CPU time of all processes on this machine
    own: float  # the part of it used by the benchmark and its ended child processes
    steal: float  # time in which a core was ready to run and the hypervisor did not run it


def find_disturbances(before: Reading, after: Reading) -> list[str]:
    """Return why a measurement between two readings is not trusted; empty if it is."""
    seconds = after.at - before.at
    if seconds <= 0:
        raise ValueError("the second reading must be later than the first")
    found = []
    drift = max(abs(change) for change in _compare_loops(before, after))
    if drift > LOOP_TOLERANCE:
        found.append(f"a bare loop's time changed by {drift:.0%}")
    steal = (after.steal - before.steal) / seconds
    if steal > MAX_STEAL:
        found.append(f"the hypervisor withheld {steal:.0%} of a core")
    others = ((after.busy - before.busy) - (after.own - before.own)) / seconds
    if others > MAX_OTHERS:
        found.append(f"other processes used {others:.0%} of a core")
    return found


def is_slow(loops: Sequence[float], fastest: float) -> bool:
    """Whether bare loops took longer than at the fastest time, by more than the tolerance.

    A machine may be equally slow before and after a measurement: that does no harm to a ratio, but
    to every absolute figure.
    """
    return bool(loops) and statistics.median(loops) > fastest * (1 + LOOP_TOLERANCE)


def find_fastest(runs: Iterable[Sequence[float]]) -> float:
    """Return the duration of the bare loop in the fastest of several runs; 0 without any."""
    return min((statistics.median(loops) for loops in runs if loops), default=0.0)


def _compare_loops(before: Reading, after: Reading) -> list[float]:
    """Return the change on each core: 0.1 is a tenth slower, and a tenth faster is -0.1 too."""
    return [
        later / earlier - 1 if later >= earlier else 1 - earlier / later
        for earlier, later in zip(before.loops, after.loops, strict=True)
    ]
