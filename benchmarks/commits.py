"""Compares the present tree with another commit: `python -m benchmarks --against COMMIT [NAME …]`.

The commit is checked out into a temporary git worktree. Its server is only run as a program, so its
modules may have any names; the load tester is always the present one. The servers run in turn,
A B, B A, A B …, each on the same core.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Harness, measure_pair
from benchmarks.pairs import PairedRun
from benchmarks.process import ROOT
from benchmarks.quietness import find_disturbances
from benchmarks.short_runs import SHORT_RUNS

MAX_EXTRA_PAIRS = 3  # in place of pairs that were disturbed


class CommitError(Exception):
    """The commit cannot be checked out; the text has git's reason."""


class CommitComparison:
    """Runs pairs of one commit and the present tree."""

    def __init__(self, commit: Path, cores: tuple[int, int], quick: bool) -> None:
        self._cores = cores
        self._before = Harness(*cores, quick)
        self._before.root = commit
        self._now = Harness(*cores, quick)

    def run(self, name: str, pairs: int) -> PairedRun:
        """Measure a scenario until ``pairs`` were quiet, or `MAX_EXTRA_PAIRS` did not help."""
        short_run = SHORT_RUNS[name]
        run = PairedRun(wanted=pairs, extra=0 if self._now.quick else MAX_EXTRA_PAIRS)
        while not run.is_complete:
            reading = self._now.take_reading()
            try:
                pair = measure_pair(
                    len(run.pairs), lambda: short_run(self._before), lambda: short_run(self._now)
                )
            finally:
                # The load tester pinned this process to the load's core.
                os.sched_setaffinity(0, self._cores)
            run.add(pair, find_disturbances(reading, self._now.take_reading()))
        for side, harness in (("before", self._before), ("now", self._now)):
            run.notes += [f"{side}: {note}" for note in dict.fromkeys(harness.notes)]
            harness.notes.clear()
        return run


@contextlib.contextmanager
def check_out(commit: str) -> Iterator[Path]:
    """Check a commit out into a temporary worktree. Raises CommitError."""
    with tempfile.TemporaryDirectory(prefix="benchmark-commit-") as folder:
        tree = Path(folder, "tree")
        run_git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            yield tree
        finally:
            run_git("worktree", "remove", "--force", str(tree))


def run_git(*arguments: str) -> str:
    """Return git's output. Raises CommitError."""
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except FileNotFoundError:
        raise CommitError("git is not installed") from None
    except subprocess.CalledProcessError as problem:
        raise CommitError(problem.stderr.strip()) from None
    return done.stdout.strip()
