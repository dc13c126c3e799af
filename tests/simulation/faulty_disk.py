"""What goes wrong with the disk: commits fail or hang, reads fail, and it is full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.simulation.archive import Disk, failure
from tests.simulation.timeline import Timeline

QUICK_READ = 0.0005


class FaultyDisk:
    """Injects the faults of a plan into a disk, and decides how long its jobs take.

    ``seen`` counts the faults that took place. ``on_commit`` is called after each commit.
    """

    def __init__(self, disk: Disk, timeline: Timeline, commit_seconds: float) -> None:
        self._timeline = timeline
        self._commit_seconds = commit_seconds
        self._failing: list[str] = []
        self._full_until = self._unreadable_until = self._hangs_until = 0.0
        self.seen: Counter[str] = Counter()
        self.on_commit: Callable[[], None] = lambda: None
        disk.before = self._before
        disk.after = self._after
        disk.reading = self._read

    def fail(self, kind: str, count: int) -> None:
        """Let the next commits fail, each ``before`` or ``after`` it was done."""
        self._failing += [kind] * count

    def fill(self, seconds: float) -> None:
        self._full_until = self._timeline.now + seconds

    def stop_reading(self, seconds: float) -> None:
        self._unreadable_until = self._timeline.now + seconds

    def hang(self, seconds: float) -> None:
        self._hangs_until = self._timeline.now + seconds

    def heal(self) -> None:
        """From now on everything goes well; a job that hangs goes on at its time."""
        self._failing.clear()
        self._full_until = self._unreadable_until = self._hangs_until = 0.0

    def job_times(self, _job: Callable[[], Any]) -> tuple[float, float]:
        """Return how long a job takes until its effect, and then until it is heard of."""
        random, now = self._timeline.random, self._timeline.now
        before = self._commit_seconds * random.random()
        after = self._commit_seconds * random.random()
        if now < self._hangs_until:
            self.seen["hang"] += 1
            if random.random() < 0.5:
                before += self._hangs_until - now
            else:
                after += self._hangs_until - now
        return before, after

    def _before(self) -> None:
        if self._timeline.now < self._full_until:
            self.seen["full disk"] += 1
            raise failure("database or disk is full")
        if self._failing and self._failing[0] == "before":
            self._failing.pop(0)
            self.seen["fail before"] += 1
            raise failure("disk I/O error")

    def _after(self) -> None:
        self._timeline.record("commit")
        self.on_commit()
        if self._failing:
            self._failing.pop(0)
            self.seen["fail after"] += 1
            raise failure("disk I/O error, after the commit")

    def _read(self) -> None:
        if self._timeline.now < self._unreadable_until:
            self.seen["unreadable"] += 1
            raise failure("disk I/O error")
