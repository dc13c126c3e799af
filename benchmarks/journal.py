"""How many comments a second the journal alone makes durable, and how long an ack takes.

    .venv/bin/python -m benchmarks.journal [--seconds 5] [--database FILE] [--waiting 1 10 100 1000]

No network and no viewers: this measures numbering, SQLite's commit with synchronous=FULL, and
delivery. First single comments, in turn with a bare ``fdatasync`` and a bare SQLite commit on the
same disk; then as many comments as possible, with ``--waiting`` of them always pending.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from chat.archive import Archive
from chat.core.comment import Comment
from chat.journal.local import LocalJournal
from chat.metrics import Metrics

ALONE_ROUNDS = 100
ALONE_SECONDS = 0.03  # between two comments, so that they are not committed together
TARGET = 8_000
PAGE = b"\0" * 4_096
TEXT = "What a goal! 这球太帅了 " + "w" * 60


async def measure_alone(folder: Path) -> None:
    """Print the latency of single comments, next to the bare calls on the same disk."""
    journal = LocalJournal(Archive(f"sqlite:///{folder}/alone.db"), Metrics())
    journal.start(lambda room, entries, acts: None, lambda room, last: None)
    await journal.open_room("demo")
    times: dict[str, list[float]] = {"bare fdatasync": [], "bare commit": [], "ack": []}

    @contextlib.contextmanager
    def timed(name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        times[name].append(time.perf_counter() - began)

    with (
        (folder / "bare").open("wb", buffering=0) as file,
        contextlib.closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as bare,
    ):
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL"):
            bare.execute(statement)
        bare.execute("CREATE TABLE comments (text TEXT)")
        for number in range(ALONE_ROUNDS):
            with timed("bare fdatasync"):
                file.write(PAGE)
                os.fdatasync(file.fileno())
            with timed("bare commit"):
                bare.execute("INSERT INTO comments VALUES (?)", (TEXT,))
            with timed("ack"):
                await journal.append("demo", make_comment(number), str(number))
            await asyncio.sleep(ALONE_SECONDS)
    await journal.close()
    print(f"{'alone':>22} {'p50 ms':>10} {'p99 ms':>10}")
    for name, taken in times.items():
        cuts = statistics.quantiles(taken, n=100)
        print(f"{name:>22} {cuts[49] * 1000:>10.1f} {cuts[98] * 1000:>10.1f}")


def make_comment(number: int) -> Comment:
    at = time.time_ns() // 1_000_000
    return Comment(seq=0, user=f"g-{number}", name="Owl", text=TEXT, at=at)


async def measure(database: Path, waiting: int, seconds: float) -> float:
    """Print and return the durable comments a second with that many pending."""
    metrics = Metrics()
    journal = LocalJournal(Archive(f"sqlite:///{database}"), metrics)
    delivered = 0

    def deliver(_room: str, entries: Sequence[object], _acts: Sequence[object]) -> None:
        nonlocal delivered
        delivered += len(entries)

    journal.start(deliver, lambda room, last: None)
    await journal.open_room("demo")
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def post(number: int) -> None:
        count = 0
        while (began := time.perf_counter()) < end:
            await journal.append("demo", make_comment(number), f"{number}-{began}-{count}")
            latencies.append(time.perf_counter() - began)
            count += 1

    began = time.perf_counter()
    await asyncio.gather(*(post(number) for number in range(waiting)))
    took = time.perf_counter() - began
    commits = metrics.registry.get_sample_value("danmaku_commit_seconds_count") or 1
    await journal.close()
    assert delivered == len(latencies)
    cuts = statistics.quantiles(latencies, n=100)
    print(
        f"{waiting:>8,} {len(latencies) / took:>12,.0f} {len(latencies) / commits:>14.1f}"
        f" {cuts[49] * 1000:>10.1f} {cuts[98] * 1000:>10.1f}",
        flush=True,
    )
    return len(latencies) / took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--database", type=Path, help="a new file, on the disk to be measured")
    parser.add_argument("--waiting", type=int, nargs="+", default=[1, 10, 100, 1_000])
    options = parser.parse_args()
    where = options.database.parent if options.database else "."
    with tempfile.TemporaryDirectory(dir=where) as folder:
        asyncio.run(measure_alone(Path(folder)))
        database = options.database or Path(folder) / "journal.db"
        print(f"\n{'waiting':>8} {'comments/s':>12}", end=" ")
        print(f"{'comments/batch':>14} {'p50 ms':>10} {'p99 ms':>10}")
        rates = [asyncio.run(measure(database, n, options.seconds)) for n in options.waiting]
    print(f"\nat most {max(rates):,.0f} durable comments a second; at least {TARGET:,} are wanted")


if __name__ == "__main__":
    main()
