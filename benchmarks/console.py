"""Prints outcomes and comparisons as tables."""

from __future__ import annotations

import statistics
import sys

from rich.console import Console
from rich.table import Table as Grid

from benchmarks.figures import Figure, Outcome, Results, show
from benchmarks.pairs import MIN_PAIRS, Comparison, PairedRun

PIPED_WIDTH = 140
REACHED = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}
IN_DOUBT = " [yellow]in doubt[/]"


def open_console() -> Console:
    """Return a console; piped output is wide, so that no table is cut."""
    return Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)


def show_outcome(console: Console, outcome: Outcome, results: Results) -> None:
    """Print the figures of one scenario, and whether they can be trusted."""
    doubts = results.find_doubts(outcome)
    grid = Grid(
        title=f"{outcome.name}: {outcome.title} ({outcome.seconds:.0f} s)",
        title_justify="left",
        title_style="bold",
    )
    for heading in ("target", "what"):
        grid.add_column(heading)
    for heading in ("measured", "wanted", "reached"):
        grid.add_column(heading, justify="right")
    grid.add_column("note")
    for figure in outcome.figures:
        grid.add_row(*list_cells(figure, in_doubt=bool(doubts)))
    console.print(grid)
    for sentence in [*doubts, *outcome.notes]:
        console.print(f"  [yellow]{sentence}[/]")
    if not doubts:
        console.print("  The machine was quiet.")
    if outcome.problem:
        console.print(f"  [red]{outcome.problem}[/]")
    console.print()


def list_cells(figure: Figure, *, in_doubt: bool) -> list[str]:
    """Return a figure as the cells of a row."""
    measured = figure.measured + (IN_DOUBT if in_doubt else "")
    return [figure.line, figure.what, measured, figure.target, REACHED[figure.reached], figure.note]


def show_summary(console: Console, results: Results) -> None:
    """Print how many targets were reached, which were not, and which figures are in doubt."""
    judged = [figure for figure in results.figures() if figure.reached is not None]
    missed = [figure for figure in judged if not figure.reached]
    console.print(
        f"{len(judged) - len(missed)} of {len(judged)} targets reached in {results.seconds:.0f} s."
        + (" This was --quick: a trial, no measurement." if results.quick else "")
    )
    for figure in missed:
        console.print(f"  {figure.line}: {figure.what}: {figure.measured}, wanted {figure.target}")
    doubted = [outcome.name for outcome in results.outcomes if results.find_doubts(outcome)]
    if doubted and not results.quick:
        console.print(
            f"[yellow]The machine was not quiet; in doubt: {', '.join(doubted)}. "
            "Repeat these with --update when it is.[/]"
        )


def show_comparison(console: Console, name: str, run: PairedRun) -> None:
    """Print the ratios of one scenario's measures, and whether the machine was quiet."""
    pairs, quiet = run.used_pairs, run.is_quiet
    grid = Grid(title=f"{name}: now / before", title_justify="left", title_style="bold")
    grid.add_column("measure (less is better)")
    for heading in ("before", "now", "ratio", "95 % interval", "all pairs"):
        grid.add_column(heading, justify="right")
    grid.add_column("verdict")
    for measure, comparison in run.compare().items():
        before, now = ([side[measure] for side in sides] for sides in zip(*pairs, strict=True))
        grid.add_row(
            measure,
            show(statistics.median(before)),
            show(statistics.median(now)),
            f"{comparison.median:.3f}" + ("" if quiet else IN_DOUBT),
            f"{comparison.low:.3f} to {comparison.high:.3f}" if comparison.low else "unknown",
            f"{comparison.least:.3f} to {comparison.greatest:.3f}",
            judge(comparison),
        )
    console.print(grid)
    disturbed = sum(bool(found) for found in run.disturbances)
    if quiet:
        console.print(f"  The machine was quiet in the {len(pairs)} pairs used.", end="")
        console.print(f" {disturbed} more were disturbed and left out." if disturbed else "")
    else:
        console.print(
            f"  [yellow]The machine was not quiet in {disturbed} of {len(run.pairs)} pairs; "
            "all are used, and the ratios are in doubt:[/]"
        )
        for number, found in enumerate(run.disturbances, 1):
            if found:
                console.print(f"    pair {number}: {'; '.join(found)}")
    for note in run.notes:
        console.print(f"  [yellow]{note}[/]")
    if len(pairs) < MIN_PAIRS:
        console.print(f"  [yellow]Fewer than {MIN_PAIRS} pairs: a trial, no measurement.[/]")
    console.print()


def judge(comparison: Comparison) -> str:
    """Say whether the two sides differ."""
    if not comparison.differs:
        return "no difference shown"
    return "[red]more[/]" if comparison.median > 1 else "[green]less[/]"
