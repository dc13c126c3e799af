"""`python -m benchmarks`: run scenarios, or compare two commits, and print the figures.

A run of all scenarios at full size writes `benchmarks/results.json`, and from it the tables and
charts of docs/capacity.md. `--update` puts only the scenarios that ran into both. Any other run
prints its figures, and writes them where `--json` says.

Exit status: 0 all scenarios were completed; 1 one was not; 2 the run could not start. A target that
is missed, a slower commit and a busy machine do not change it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.commits import CommitComparison, CommitError, check_out, run_git
from benchmarks.console import open_console, show_comparison, show_outcome, show_summary
from benchmarks.document import write_documents
from benchmarks.figures import Results
from benchmarks.machine import describe_machine, read_commit
from benchmarks.pairs import MIN_PAIRS
from benchmarks.runner import (
    NotEnoughCores,
    choose_cores,
    run_scenario,
)
from benchmarks.scenarios import NAMES, find_scenario
from benchmarks.short_runs import SHORT_RUNS
from chat.descriptors import raise_descriptor_limit

RESULTS = Path(__file__).parent / "results.json"
TRIAL_PAIRS = 2
SAME_MACHINE = ("processor", "cores")  # what must be the same to update only some results


def main() -> int:
    """Run what the command line asks for."""
    arguments = read_arguments()
    try:
        cores = choose_cores()
    except NotEnoughCores as problem:
        print(problem, file=sys.stderr)
        return 2
    raise_descriptor_limit()
    if arguments.against:
        return compare_commits(arguments, cores)
    return run_scenarios(arguments, cores)


def run_scenarios(arguments: argparse.Namespace, cores: tuple[int, int]) -> int:
    """Run scenarios, print and write their results, and return the exit status."""
    console = open_console()
    names = [name for name in NAMES if name in arguments.names] or list(NAMES)
    whole = names == list(NAMES) and not arguments.quick
    results = Results(machine=describe_machine(), quick=arguments.quick, outcomes=[])
    kept = None
    if arguments.update and not whole:
        kept = msgspec.json.decode(RESULTS.read_bytes(), type=Results)
        for part in SAME_MACHINE:
            if kept.machine[part] != results.machine[part]:
                print(
                    f"{RESULTS.name} was measured on another machine ({part}: "
                    f"{kept.machine[part]}). Run all scenarios.",
                    file=sys.stderr,
                )
                return 2
    for name in names:
        with console.status(f"{name}: {find_scenario(name)[0]}"):
            results.outcomes.append(run_scenario(name, cores, arguments.quick))
        show_outcome(console, results.outcomes[-1], results)
    show_summary(console, results)
    if arguments.json:
        arguments.json.write_bytes(results.to_json())
    if whole or kept:
        if kept:
            kept.update(results)
        written = kept or results
        RESULTS.write_bytes(written.to_json())
        write_documents(written)
    return 1 if any(outcome.problem for outcome in results.outcomes) else 0


def compare_commits(arguments: argparse.Namespace, cores: tuple[int, int]) -> int:
    """Compare the present tree with a commit, print the ratios, and return the exit status."""
    console = open_console()
    began = time.monotonic()
    names = [name for name in SHORT_RUNS if name in arguments.names] or list(SHORT_RUNS)
    pairs = TRIAL_PAIRS if arguments.quick else arguments.pairs
    status = 0
    try:
        commit = run_git("rev-parse", "--short", "--verify", f"{arguments.against}^{{commit}}")
        now = read_commit()
        console.print(f"before: {commit}; now: {now}; {pairs} pairs of each scenario\n")
        with check_out(commit) as tree:
            comparison = CommitComparison(tree, cores, arguments.quick)
            for name in names:
                try:
                    with console.status(f"{name}: {pairs} pairs"):
                        run = comparison.run(name, pairs)
                except Exception as problem:
                    console.print(f"[red]{name}: {type(problem).__name__}: {problem}[/]\n")
                    status = 1
                else:
                    show_comparison(console, name, run)
    except CommitError as problem:
        print(problem, file=sys.stderr)
        return 2
    console.print(f"{time.monotonic() - began:.0f} s in all.")
    return status


def read_arguments() -> argparse.Namespace:
    """Read the command line; argparse exits with 2 if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure the server next to other servers, or next to another commit, "
        "with one core for the server and one for the load.",
        epilog=f"Scenarios: {', '.join(NAMES)}. With --against: {', '.join(SHORT_RUNS)}. "
        "See docs/capacity.md.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios to run (all)")
    parser.add_argument(
        "--against", metavar="COMMIT", help="compare the present tree with a commit, in pairs"
    )
    parser.add_argument(
        "--pairs", type=int, default=MIN_PAIRS, metavar="N", help="with --against (%(default)s)"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the viewers: a trial run")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the results as JSON")
    parser.add_argument(
        "--update",
        action="store_true",
        help="put the results into benchmarks/results.json and docs/capacity.md",
    )
    arguments = parser.parse_args()
    known = SHORT_RUNS if arguments.against else NAMES
    if unknown := set(arguments.names) - set(known):
        parser.error(f"there is no scenario {min(unknown)} here; there are {', '.join(known)}")
    if arguments.pairs < 1:
        parser.error("--pairs must be 1 or more")
    if arguments.update and (arguments.quick or arguments.against):
        parser.error("--update needs full measurements: not --quick, not --against")
    if arguments.json and arguments.against:
        parser.error("--json is for scenarios, not for --against")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
