"""What a scenario yields: figures, some with a target, and tables. Values only."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import msgspec

from benchmarks.quietness import find_fastest, is_slow


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured number.

    ``line`` is the number of its target in docs/capacity.md, empty where there is none. Without
    ``at_most`` and ``at_least`` it is for information only.
    """

    line: str = ""
    what: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the target was reached; None where there is none."""
        if self.at_most is not None:
            return self.value <= self.at_most
        if self.at_least is not None:
            return self.value >= self.at_least
        return None

    @property
    def measured(self) -> str:
        """The number with its unit."""
        return f"{show(self.value)} {self.unit}".rstrip()

    @property
    def target(self) -> str:
        """The target with its unit, empty where there is none."""
        if self.at_most == 0:
            return "none"
        if self.at_most is not None:
            return f"≤ {show(self.at_most)} {self.unit}".rstrip()
        if self.at_least is not None:
            return f"≥ {show(self.at_least)} {self.unit}".rstrip()
        return ""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A series for a chart: the rows have as many cells as there are columns."""

    name: str
    columns: list[str]
    rows: list[list[Any]]


class Outcome(msgspec.Struct, kw_only=True):
    """The results of one scenario; ``problem`` is empty if it was completed.

    ``disturbances`` says why the machine was not quiet during a measurement that could not be
    repeated; ``loops_ms`` has the duration of the bare loop at each reading.
    """

    name: str
    title: str
    seconds: float = 0.0
    figures: list[Figure] = []
    tables: list[Table] = []
    notes: list[str] = []
    disturbances: list[str] = []
    loops_ms: list[float] = []
    began: str = ""
    commit: str = ""
    problem: str = ""

    @property
    def date(self) -> str:
        """The day on which it was measured."""
        return self.began.split(" ", 1)[0]


class Results(msgspec.Struct, kw_only=True):
    """Results of several scenarios on one machine, not all necessarily of the same run."""

    machine: dict[str, str]
    quick: bool
    outcomes: list[Outcome]

    @property
    def seconds(self) -> float:
        """The duration of all scenarios together."""
        return sum(outcome.seconds for outcome in self.outcomes)

    def figures(self) -> Iterator[Figure]:
        """Yield all figures, in order."""
        for outcome in self.outcomes:
            yield from outcome.figures

    def to_json(self) -> bytes:
        """Return everything as readable JSON; each figure with whether its target was reached."""
        body = msgspec.to_builtins(self)
        figures = [figure for outcome in body["outcomes"] for figure in outcome["figures"]]
        for written, figure in zip(figures, self.figures(), strict=True):
            written["reached"] = figure.reached
        return msgspec.json.format(msgspec.json.encode(body), indent=1) + b"\n"

    def find_doubts(self, outcome: Outcome) -> list[str]:
        """Return why the figures of a scenario are not trusted; empty if they are."""
        doubts = [f"the machine was not quiet: {reason}" for reason in outcome.disturbances]
        fastest = find_fastest(other.loops_ms for other in self.outcomes)
        if is_slow(outcome.loops_ms, fastest):
            share = statistics.median(outcome.loops_ms) / fastest - 1
            doubts.append(f"a bare loop was {share:.0%} slower than in the fastest scenario")
        return doubts

    def update(self, newer: Results) -> None:
        """Replace the scenarios that ``newer`` has; the others stay."""
        replaced = {outcome.name: outcome for outcome in newer.outcomes}
        self.outcomes = [replaced.pop(one.name, one) for one in self.outcomes]
        self.outcomes += replaced.values()
        self.machine = newer.machine

    def find_table(self, name: str) -> Table | None:
        """Return the table of that name, if it was measured."""
        tables = [table for outcome in self.outcomes for table in outcome.tables]
        return next((table for table in tables if table.name == name), None)


def show(value: float) -> str:
    """Return a number as text, with about three significant digits and grouped thousands."""
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.095 else f"{value:.3f}"
