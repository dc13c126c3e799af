"""What a scenario yields: figures with a target, and tables for the charts. Values only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured number.

    ``line`` is the line of the issue that asks for it, empty where none does. Without ``at_most``
    and ``at_least`` it is told for information, and is neither reached nor missed.
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
    """What became of one scenario; ``problem`` is empty when it came to its end."""

    name: str
    title: str
    seconds: float = 0.0
    figures: list[Figure] = []
    tables: list[Table] = []
    notes: list[str] = []
    problem: str = ""


class Results(msgspec.Struct, kw_only=True):
    """One run of the kit."""

    machine: dict[str, str]
    began: str
    seconds: float
    quick: bool
    outcomes: list[Outcome]

    def figures(self) -> Iterator[Figure]:
        """All figures, in order."""
        for outcome in self.outcomes:
            yield from outcome.figures

    def to_json(self) -> bytes:
        """Write everything, with the verdicts, as readable JSON."""
        body = msgspec.to_builtins(self)
        figures = [figure for outcome in body["outcomes"] for figure in outcome["figures"]]
        for written, figure in zip(figures, self.figures(), strict=True):
            written["reached"] = figure.reached
        return msgspec.json.format(msgspec.json.encode(body), indent=1) + b"\n"

    def find_table(self, name: str) -> Table | None:
        """Return the table of that name, if it was measured."""
        tables = [table for outcome in self.outcomes for table in outcome.tables]
        return next((table for table in tables if table.name == name), None)


def show(value: float) -> str:
    """Write a number as short as it stays meaningful: three figures, thousands in groups."""
    if value == round(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.095 else f"{value:.3f}"
