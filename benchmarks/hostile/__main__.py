"""`python -m benchmarks.hostile --against COMMIT`: what hostile peers did before, and do now.

The commit is checked out into a temporary git worktree, and only its `server.py` is run. `--write`
puts the tables into docs/delivery.md, between their markers. Exit status: 0 all was measured; 1
something was not; 2 the run could not start.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterable

from benchmarks.commits import CommitError, check_out, run_git
from benchmarks.hostile.attacks import ATTACKS
from benchmarks.hostile.side import Figures, Side
from benchmarks.hostile.viewers import (
    ADDRESS_FLOODS,
    FLOODS,
    NO_FLOOD,
    RATE,
    SECONDS,
    VIEWERS,
    measure_flood,
    to_figures,
)
from benchmarks.machine import describe_machine, read_commit
from benchmarks.markdown import DOCS, replace_blocks, write_rows
from benchmarks.process import ROOT
from benchmarks.runner import NotEnoughCores, choose_cores
from chat.descriptors import raise_descriptor_limit

COMMIT = "7b4c572"  # the last one without budgets
PAGE = DOCS / "delivery.md"
NOT_MEASURED = "not measured"

Rows = list[list[object]]


def main() -> int:
    """Measure what the command line asks for."""
    arguments = read_arguments()
    raise_descriptor_limit()
    began = time.monotonic()
    try:
        cores = choose_cores()
        commit = run_git("rev-parse", "--short", "--verify", f"{arguments.against}^{{commit}}")
        with check_out(commit) as tree:
            sides = Side("before", tree, *cores), Side("now", ROOT, *cores)
            attacks, problems = measure_attacks(sides, arguments.attacks)
            floods, more = measure_floods(sides, arguments.floods, arguments.quick)
    except (CommitError, NotEnoughCores) as problem:
        print(problem, file=sys.stderr)
        return 2
    machine = describe_machine()
    about = (
        f"Before: {commit}; now: {read_commit()}; {time.strftime('%Y-%m-%d', time.gmtime())}; "
        f"{machine['processor']}, one core for the server, one for the load; "
        f"{time.monotonic() - began:.0f} s.\n"
    )
    if arguments.write:
        text = replace_blocks(
            PAGE.read_text(encoding="utf-8"), {"hostile": f"{about}\n{attacks}\n{floods}"}
        )
        PAGE.write_text(text, encoding="utf-8")
    print(f"\n{about}\n{attacks}\n{floods}")
    for sentence in [*problems, *more]:
        print(sentence, file=sys.stderr)
    return 1 if problems or more else 0


def measure_attacks(sides: tuple[Side, Side], names: Iterable[str]) -> tuple[str, list[str]]:
    """Return the table of the attacks, and what could not be measured."""
    rows: Rows = []
    problems: list[str] = []
    for name in names:
        attack = ATTACKS[name]
        found = measure_both(name, sides, attack.measure, attack.repeats, problems)
        measures = dict.fromkeys([*found[0], *found[1]])
        rows += [[attack.title, measure, *show_both(found, measure)] for measure in measures]
    if not rows:
        return "", problems
    return write_rows(["a peer's doing", "measure", "before", "now"], rows), problems


def measure_floods(
    sides: tuple[Side, Side], kinds: Iterable[str], quick: bool
) -> tuple[str, list[str]]:
    """Return the table of the floods, and what could not be measured."""
    viewers, seconds = (50, 2.0) if quick else (VIEWERS, SECONDS)
    rows: Rows = []
    problems: list[str] = []
    for kind in kinds:
        found = measure_both(
            kind,
            sides,
            lambda side, kind=kind: to_figures(measure_flood(side, kind, viewers, seconds)),
            1,
            problems,
        )
        measures = dict.fromkeys([*found[0], *found[1]])
        cells = [cell for measure in measures for cell in show_both(found, measure)]
        note = "" if sides[1].forwards or kind not in ADDRESS_FLOODS else " (loopback: no budget)"
        rows.append([kind + note, *cells])
    if not rows:
        return "", problems
    columns = ["flood", "p99 ms before", "now", "loop lag p99 ms before", "now"]
    table = write_rows([*columns, "memory MiB before", "now"], rows)
    return (
        f"{viewers} viewers, {RATE:g} comments a second, one flood at a time:\n\n{table}",
        problems,
    )


def measure_both(
    name: str,
    sides: tuple[Side, Side],
    measure: Callable[[Side], Figures],
    repeats: int,
    problems: list[str],
) -> tuple[Figures, Figures]:
    """Measure both sides in turn, A B or A B B A, and return the medians by name."""
    results: tuple[list[Figures], list[Figures]] = ([], [])
    order = [0, 1, 1, 0][: 2 * repeats]
    for at in order:
        began = time.monotonic()
        try:
            results[at].append(measure(sides[at]))
        except Exception as problem:
            problems.append(f"{name}, {sides[at].name}: {type(problem).__name__}: {problem}")
        took = time.monotonic() - began
        figures = results[at][-1] if results[at] else {}
        shown = "; ".join(f"{what}: {show_figure(value)}" for what, value in figures.items())
        print(f"{name}, {sides[at].name} ({took:.1f} s): {shown}", flush=True)
    return take_medians(results[0]), take_medians(results[1])


def take_medians(figures: list[Figures]) -> Figures:
    """Return the medians of what was measured repeatedly, and the last of what is no number."""
    found: Figures = {}
    for measure in figures[0] if figures else {}:
        values = [one[measure] for one in figures]
        numbers = [value for value in values if not isinstance(value, str)]
        found[measure] = statistics.median(numbers) if numbers else values[-1]
    return found


def show_both(found: tuple[Figures, Figures], measure: str) -> list[object]:
    return [show_figure(side[measure]) if measure in side else NOT_MEASURED for side in found]


def show_figure(value: float | str) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--against", metavar="COMMIT", default=COMMIT, help="(%(default)s)")
    parser.add_argument("--write", action="store_true", help="write docs/delivery.md")
    parser.add_argument("--quick", action="store_true", help="few viewers: a trial run")
    known = (*ATTACKS, NO_FLOOD, *FLOODS)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(known)}; none: all"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(known):
        parser.error(f"there is no {min(unknown)}; there are {', '.join(known)}")
    if arguments.write and (arguments.names or arguments.quick):
        parser.error("--write needs all, in full: no names, not --quick")
    wanted = arguments.names or known
    arguments.attacks = [name for name in ATTACKS if name in wanted]
    arguments.floods = [name for name in (NO_FLOOD, *FLOODS) if name in wanted]
    return arguments


if __name__ == "__main__":
    sys.exit(main())
