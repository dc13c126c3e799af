"""How many comments a second the journal alone makes durable, and how long an ack takes.

    .venv/bin/python -m benchmarks.journal [--seconds 5] [--database FILE] [--waiting 1 10 100 1000]

No network and no viewers: what is measured is numbering, SQLite's commit with synchronous=FULL, and
delivery. ``--waiting`` comments are always on their way; with 1 an ack takes about one fsync.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from chat.archive import Archive
from chat.core.comment import Comment
from chat.journal.local import LocalJournal
from chat.metrics import Metrics

TEXT = "What a goal! 这球太帅了 " + "w" * 60


async def measure(database: Path, waiting: int, seconds: float) -> str:
    metrics = Metrics()
    journal = LocalJournal(Archive(f"sqlite:///{database}"), metrics)
    delivered = 0

    def deliver(_room: str, _first: int, bodies: Sequence[bytes]) -> None:
        nonlocal delivered
        delivered += len(bodies)

    journal.start(deliver, lambda room, last: None)
    await journal.open_room("demo")
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def speak(number: int) -> None:
        count = 0
        while (began := time.perf_counter()) < end:
            comment = Comment(
                seq=0, user=f"g-{number}", name="Owl", text=TEXT, at=time.time_ns() // 1_000_000
            )
            await journal.append("demo", comment, f"{number}-{began}-{count}")
            latencies.append(time.perf_counter() - began)
            count += 1

    began = time.perf_counter()
    await asyncio.gather(*(speak(number) for number in range(waiting)))
    took = time.perf_counter() - began
    commits = metrics.registry.get_sample_value("danmaku_commit_seconds_count") or 1
    await journal.close()
    assert delivered == len(latencies)
    cuts = statistics.quantiles(latencies, n=100)
    return (
        f"{waiting:>8,} {len(latencies) / took:>12,.0f} {len(latencies) / commits:>14.1f}"
        f" {cuts[49] * 1000:>10.1f} {cuts[98] * 1000:>10.1f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--database", type=Path, help="a new file, on the disk to be measured")
    parser.add_argument("--waiting", type=int, nargs="+", default=[1, 10, 100, 1_000])
    options = parser.parse_args()
    print(f"{'waiting':>8} {'comments/s':>12} {'comments/batch':>14} {'p50 ms':>10} {'p99 ms':>10}")
    with tempfile.TemporaryDirectory(dir=".") as folder:
        database = options.database or Path(folder) / "journal.db"
        for waiting in options.waiting:
            print(asyncio.run(measure(database, waiting, options.seconds)), flush=True)


if __name__ == "__main__":
    main()
