"""Whole days of the server in a simulated world: new ones at each run, and all that ever failed."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.simulation.__main__ import COMMAND, Summary, explain, run_seeds
from tests.simulation.plan import draw_plan
from tests.simulation.shrink import keep_parts, name_parts, shrink
from tests.simulation.world import live

FAILED_SEEDS = Path(__file__).with_name("failed_seeds.txt")
NEW_SEEDS = 300
CHUNK = 25


@pytest.mark.timeout(400)
def test_new_days_have_no_violation() -> None:
    base = int(os.environ.get("SIMULATION_BASE", time.time_ns() % 1_000_000_000))
    print(f"seeds from {base}")
    seeds = list(range(base, base + NEW_SEEDS))
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    summary = Summary()
    # Spawned: this process may have threads.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for part in pool.map(run_seeds, chunks):
            summary.add(part)
    assert summary.days == NEW_SEEDS
    assert not summary.failed, _describe(summary)
    # A world in which nothing happens would find nothing.
    assert all(summary.seen[kind] > 20 for kind in ("post", "kill", "cut", "leave", "fail after"))


def test_days_that_failed_once_have_no_violation() -> None:
    lines = FAILED_SEEDS.read_text().splitlines()
    seeds = [int(line.split()[0]) for line in lines if line and not line.startswith("#")]
    summary = run_seeds(seeds)
    assert not summary.failed, _describe(summary)


def _describe(summary: Summary) -> str:
    seed = min(summary.failed)
    violations = "\n".join(summary.failed[seed][:5])
    return f"seeds {sorted(summary.failed)}\n{violations}\n{explain(seed)}"


@pytest.mark.parametrize("seed", [1, 7])
def test_seed_is_the_same_day_in_every_process(seed: int) -> None:
    """Whatever the hashes of strings and the addresses of objects are."""
    traces = set()
    for hash_seed in ("0", "1", "random"):
        done = subprocess.run(
            [sys.executable, *COMMAND.split()[1:], "--seed", str(seed)],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=False,
        )
        traces |= {line for line in done.stdout.splitlines() if line.startswith("trace ")}
    assert len(traces) == 1, traces


def test_shortened_history_is_the_part_that_fails() -> None:
    plan = draw_plan(7)
    needed = {plan.acts[0].number, plan.acts[-1].number}

    def find_violations(part) -> list[str]:
        return ["bad: both are there"] if needed <= {act.number for act in part.acts} else []

    plan = plan.keep({viewer.number for viewer in plan.viewers}, {a.number for a in plan.acts})
    short = shrink(plan, find_violations)
    assert {act.number for act in short.acts} == needed
    assert keep_parts(draw_plan(7), name_parts(short)) == short


def test_part_of_a_day_can_be_repeated() -> None:
    plan = draw_plan(7)
    part = plan.keep({viewer.number for viewer in plan.viewers[:3]}, {1, 2, 3})
    assert live(part).trace == live(part).trace
