"""``make simulate SEEDS=10000 BASE=1``: live through many days, and report what failed."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.plan import Plan, draw_plan
from tests.simulation.shrink import describe, keep_parts, name_parts, shrink
from tests.simulation.world import World, live

CHUNK = 20
COMMAND = "python -m tests.simulation"
SHOWN = 5


class Summary:
    """What some seeds came to; the violations by seed."""

    def __init__(self) -> None:
        self.days = 0
        self.seconds = 0.0
        self.callbacks = 0
        self.viewers = 0
        self.seen: Counter[str] = Counter()
        self.failed: dict[int, list[str]] = {}

    def add(self, other: Summary) -> None:
        self.days += other.days
        self.seconds += other.seconds
        self.callbacks += other.callbacks
        self.viewers += other.viewers
        self.seen.update(other.seen)
        self.failed.update(other.failed)


def run_seeds(seeds: list[int]) -> Summary:
    """Live through the days of these seeds."""
    summary = Summary()
    with no_collection():
        for seed in seeds:
            outcome = live(draw_plan(seed))
            summary.days += 1
            summary.seconds += outcome.seconds
            summary.callbacks += outcome.callbacks
            summary.viewers += len(outcome.plan.viewers)
            summary.seen.update(outcome.seen)
            if outcome.violations:
                summary.failed[seed] = outcome.violations
    return summary


@contextmanager
def no_collection() -> Iterator[None]:
    """Collect no garbage meanwhile: a world is dropped as a whole, when the next one begins."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.collect()


def main() -> None:
    options = _read_options()
    if options.seed is not None:
        sys.exit(_repeat(options.seed, options.only, options.log))
    seeds = list(range(options.base, options.base + options.seeds))
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    began = time.monotonic()
    summary = Summary()
    columns = (TextColumn("seeds"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ProcessPoolExecutor(options.processes) as pool, Progress(*columns) as progress:
        task = progress.add_task("seeds", total=len(seeds))
        for part in pool.map(run_seeds, chunks):
            summary.add(part)
            progress.update(task, completed=summary.days)
    _print(summary, options.base, time.monotonic() - began)
    for seed in sorted(summary.failed)[:SHOWN]:
        _report(seed, summary.failed[seed])
    sys.exit(1 if summary.failed else 0)


def _read_options() -> Any:
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many days")
    parser.add_argument("--base", type=int, default=1, help="the first seed")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, help="repeat one day")
    parser.add_argument("--only", default="", help="the parts of its plan, such as v0,v3,a7")
    parser.add_argument("--log", action="store_true", help="print everything that happens in it")
    return parser.parse_args()


def _repeat(seed: int, only: str, log: bool) -> int:
    plan = draw_plan(seed)
    world = World(keep_parts(plan, only) if only else plan)
    if log:
        world.timeline.log = []
    outcome = world.run()
    print("\n".join(world.timeline.log or []))
    print(describe(outcome.plan))
    print(f"trace {outcome.trace}")
    print("\n".join(outcome.violations) or "no violation")
    return 1 if outcome.violations else 0


def _print(summary: Summary, base: int, seconds: float) -> None:
    print(
        f"{summary.days:,} days from seed {base}: {summary.seconds / 3600:,.1f} hours, "
        f"{summary.viewers:,} viewers, {summary.callbacks:,} callbacks in {seconds:.0f} s"
    )
    print(", ".join(f"{kind} {count:,}" for kind, count in sorted(summary.seen.items())))
    print(f"{len(summary.failed)} failed: {sorted(summary.failed)}")


def _report(seed: int, violations: list[str]) -> None:
    print(f"\nseed {seed}: {len(violations)} violations")
    for violation in violations[:SHOWN]:
        print(f"  {violation[:500]}")
    print(explain(seed))


def explain(seed: int) -> str:
    """Return the shortened history of a day that fails, and the command that repeats it."""

    def find_violations(plan: Plan) -> list[str]:
        return live(plan).violations

    plan = shrink(draw_plan(seed), find_violations)
    return f"{describe(plan)}\n{COMMAND} --seed {seed} --only {name_parts(plan)}"


if __name__ == "__main__":
    main()
