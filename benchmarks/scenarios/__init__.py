"""The scenarios, in the order in which they run and are shown.

Each is a module whose `measure(harness)` yields figures and tables as soon as they are measured, so
that those before a failure are kept. The first line of its docstring is its title.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from benchmarks.figures import Figure, Table
from benchmarks.harness import Harness

Measure = Callable[[Harness], Iterator[Figure | Table]]

NAMES = (
    "write",
    "peers",
    "coalescing",
    "size",
    "fairness",
    "slow",
    "thinning",
    "compression",
    "idle",
    "storm",
    "upgrade",
    "pause",
    "ingress",
    "burst",
    "transports",
    "growth",
)


def find_scenario(name: str) -> tuple[str, Measure]:
    """Return a scenario's title and what runs it."""
    module = import_module(f"benchmarks.scenarios.{name}")
    assert module.__doc__ is not None
    return module.__doc__.split("\n", 1)[0].rstrip("."), module.measure
