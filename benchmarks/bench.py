"""What a scenario works with: servers on one core, load from another, and a place for notes.

`--quick` makes audiences and durations smaller, to see that everything runs; its figures mean
little, since fixed costs are shared by fewer viewers.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.process import Server
from chat.loadtest import Options, Report, run

SETTLE_SECONDS = 10.0  # at most; a run ends as soon as everybody has everything
CONNECTS_A_SECOND = 2000.0


class Bench:
    """The bench that one scenario runs on."""

    def __init__(self, server_core: int, load_core: int, quick: bool) -> None:
        self.server_core = server_core
        self.load_core = load_core
        self.quick = quick
        self.notes: list[str] = []

    # --- how much -------------------------------------------------------------------------------

    def viewers(self, full: int) -> int:
        """How many viewers: all of them, or a tenth when it has to be quick."""
        return max(100, full // 10) if self.quick else full

    def seconds(self, full: float) -> float:
        """How long: as long as asked, or a third when it has to be quick."""
        return max(2.0, full / 3) if self.quick else full

    def alternate(
        self, times: int, first: Callable[[], Any], second: Callable[[], Any]
    ) -> tuple[list[Any], list[Any]]:
        """Measure A B A B …, so that a machine that warms up or tires does so for both."""
        results: tuple[list[Any], list[Any]] = ([], [])
        for _ in range(1 if self.quick else times):
            results[0].append(first())
            results[1].append(second())
        return results

    # --- who ------------------------------------------------------------------------------------

    def ours(self, *flags: str) -> Server:
        """Our server with everything on: validation, numbering, SQLite, acks, pings.

        Only the limits are lifted that would refuse the load itself.
        """
        command = ["server.py", "--port", "{port}", "--database", "sqlite:///{folder}/bench.db"]
        limits = ["--max-viewers", "19000", "--post-rate", "0"]
        return Server("danmaku", [*command, *limits, *flags], self.server_core)

    def peer(self, module: str) -> Server:
        """One of `benchmarks/peers/`."""
        return Server(module, ["-m", f"benchmarks.peers.{module}", "{port}"], self.server_core)

    # --- the load -------------------------------------------------------------------------------

    def load(
        self, server: Server, viewers: int, rate: float, seconds: float, **more: Any
    ) -> Report:
        """Run the load tester, and note what it finds wrong or doubtful."""
        wanted: dict[str, Any] = {
            "history": 0,
            "settle": SETTLE_SECONDS,
            "connect_rate": CONNECTS_A_SECOND,
            "cpu_list": (self.load_core,),
        }
        url = more.pop("url", server.url)
        report = run(Options(url, viewers=viewers, rate=rate, duration=seconds, **(wanted | more)))
        what = f"{server.name}, {viewers:,} viewers, {rate:g}/s"
        for sentence in [*report.faults, *report.warnings]:
            self.notes.append(f"{what}: {sentence}")
        return report


def cost(report: Report) -> float:
    """µs of the server's CPU per delivery, while posts were due.

    Not the report's own `us_per_delivery`, which counts to the very end, where thousands of
    viewers leave at once. What it has all the same: pings, the viewer count's waves, the posts
    themselves; and the kernel's work of bringing the bytes over loopback, which `send` does here
    on the sender's time.
    """
    assert report.server is not None
    delivered = sum(tick.delivered for tick in report.timeline if tick.at_s < report.seconds)
    return report.server.cpu_share * report.seconds * 1e6 / delivered if delivered else 0.0


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def spread(values: Iterable[float]) -> str:
    """Say between which values the repetitions lay."""
    known = sorted(values)
    return f"{known[0]:.2f} to {known[-1]:.2f}" if len(known) > 1 else ""
