"""`python -m benchmarks`: run the scenarios, show a table, write it down.

A run of all of them at full size writes `benchmarks/results.json` and, from it, the tables and
charts of `docs/capacity.md`. Any other run only shows its figures, unless `--json` says where to.
Exit status: 0 all that ran came to its end; 1 something did not; 2 it could not start. A target
that was missed is a finding, not a failure.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table as Grid

from benchmarks.document import write_documents
from benchmarks.figures import Figure, Outcome, Results
from benchmarks.machine import describe_machine
from benchmarks.runner import (
    RUN_SECONDS,
    NotEnoughCores,
    choose_cores,
    raise_descriptor_limit,
    run_scenario,
)
from benchmarks.scenarios import NAMES, find_scenario

PIPED_WIDTH = 140
RESULTS = Path(__file__).parent / "results.json"
REACHED = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}


def main() -> int:
    """Run what the command line asks for."""
    arguments = read_arguments()
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    try:
        cores = choose_cores()
    except NotEnoughCores as problem:
        print(problem, file=sys.stderr)
        return 2
    raise_descriptor_limit()
    names = [name for name in NAMES if name in arguments.names] or list(NAMES)
    began, clock = time.strftime("%Y-%m-%d %H:%M", time.gmtime()), time.monotonic()
    outcomes: list[Outcome] = []
    for name in names:
        left = RUN_SECONDS - (time.monotonic() - clock)
        with console.status(f"{name}: {find_scenario(name)[0]}"):
            outcome = run_scenario(name, cores, arguments.quick, left)
        outcomes.append(outcome)
        show_outcome(console, outcome)
    results = Results(
        machine=describe_machine(),
        began=f"{began} UTC",
        seconds=round(time.monotonic() - clock),
        quick=arguments.quick,
        outcomes=outcomes,
    )
    show_summary(console, results)
    whole = names == list(NAMES) and not arguments.quick
    for file in [arguments.json, RESULTS if whole else None]:
        if file is not None:
            file.write_bytes(results.to_json())
    if whole:
        write_documents(results)
    return 1 if any(outcome.problem for outcome in outcomes) else 0


def read_arguments() -> argparse.Namespace:
    """Read the command line; argparse exits with 2 on what it cannot read."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the server beside its peers, one core for each side.",
        epilog="Scenarios: " + ", ".join(NAMES) + ". See docs/capacity.md.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios to run (all)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the viewers: a trial run")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures as JSON")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(NAMES):
        parser.error(f"there is no scenario {min(unknown)}; there are {', '.join(NAMES)}")
    return arguments


def show_outcome(console: Console, outcome: Outcome) -> None:
    """Print the figures of one scenario."""
    grid = Grid(
        title=f"{outcome.name}: {outcome.title} ({outcome.seconds:.0f} s)",
        title_justify="left",
        title_style="bold",
    )
    for heading in ("line", "what"):
        grid.add_column(heading)
    for heading in ("measured", "target", "reached"):
        grid.add_column(heading, justify="right")
    grid.add_column("note")
    for figure in outcome.figures:
        grid.add_row(*cells(figure))
    console.print(grid)
    for note in outcome.notes:
        console.print(f"  [yellow]{note}[/]")
    if outcome.problem:
        console.print(f"  [red]{outcome.problem}[/]")
    console.print()


def cells(figure: Figure) -> list[str]:
    """A figure as a row."""
    reached = REACHED[figure.reached]
    return [figure.line, figure.what, figure.measured, figure.target, reached, figure.note]


def show_summary(console: Console, results: Results) -> None:
    """Say how many targets were reached, and which were not."""
    judged = [figure for figure in results.figures() if figure.reached is not None]
    missed = [figure for figure in judged if not figure.reached]
    console.print(
        f"{len(judged) - len(missed)} of {len(judged)} targets reached in {results.seconds:.0f} s."
        + (" This was --quick: a trial, no measurement." if results.quick else "")
    )
    for figure in missed:
        console.print(
            f"  line {figure.line}: {figure.what}: {figure.measured}, target {figure.target}"
        )


if __name__ == "__main__":
    sys.exit(main())
