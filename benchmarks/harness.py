"""What a scenario uses: it starts servers, runs the load tester, and repeats what was disturbed.

The server runs on one core and the load on another. Each measurement lies between two readings of
the machine; one that `quietness` does not trust is repeated, a bounded number of times, and what
stays in doubt is listed in `disturbances`, which are printed with the figures.

`--quick` makes rooms and durations smaller to see that everything runs. Its figures mean little,
because fixed costs are shared by fewer viewers.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from benchmarks.machine import take_reading
from benchmarks.pairs import is_first_leading
from benchmarks.process import ROOT, Server
from benchmarks.quietness import Reading, find_disturbances
from chat.loadtest import Options, Report, run

SETTLE_SECONDS = 10.0  # at most; a run ends as soon as every viewer has every comment
CONNECTS_PER_SECOND = 3000.0
FRESH_SECONDS = 0.5
MAX_REPEATS = 3  # of disturbed measurements in one scenario

Result = TypeVar("Result")


class Harness:
    """Servers, load and readings for one scenario.

    ``root`` is the source tree whose ``server.py`` is started.
    """

    def __init__(self, server_core: int, load_core: int, quick: bool) -> None:
        self.server_core = server_core
        self.load_core = load_core
        self.quick = quick
        self.root = ROOT
        self.notes: list[str] = []
        self.disturbances: list[str] = []
        self.readings: list[Reading] = []
        self.repeats_left = 0 if quick else MAX_REPEATS

    # --- sizes ----------------------------------------------------------------------------------

    def viewers(self, full: int) -> int:
        """Return the number of viewers: ``full``, or a tenth of it with --quick."""
        return max(100, full // 10) if self.quick else full

    def seconds(self, full: float) -> float:
        """Return the duration: ``full`` seconds, or a third of it with --quick."""
        return max(2.0, full / 3) if self.quick else full

    # --- measurements ---------------------------------------------------------------------------

    def measure(self, measurement: Callable[[], Result]) -> Result:
        """Return the result of a measurement, repeated while the machine is not quiet.

        When no repeats are left, the last result is returned and `disturbances` says why it is in
        doubt. A measurement must end the processes that it starts.
        """
        while True:
            noted = len(self.notes)
            before = self.take_reading()
            result = measurement()
            found = find_disturbances(before, self.take_reading())
            if not found:
                return result
            if not self.repeats_left:
                self.disturbances += found
                return result
            self.repeats_left -= 1
            del self.notes[noted:]

    def alternate(
        self, times: int, first: Callable[[], Any], second: Callable[[], Any]
    ) -> tuple[list[Any], list[Any]]:
        """Measure pairs, A B, B A, A B …, so that a gradual change of the machine affects both."""
        results: tuple[list[Any], list[Any]] = ([], [])
        for pair in range(1 if self.quick else times):
            measured = self.measure(partial(measure_pair, pair, first, second))
            for side, result in zip(results, measured, strict=True):
                side.append(result)
        return results

    def take_reading(self) -> Reading:
        """Read the machine, unless that was done just now."""
        if self.readings and time.monotonic() - self.readings[-1].at < FRESH_SECONDS:
            return self.readings[-1]
        reading = take_reading((self.server_core, self.load_core))
        self.readings.append(reading)
        return reading

    # --- servers --------------------------------------------------------------------------------

    def start_server(self, *flags: str) -> Server:
        """Start our server with all of its work: validation, numbering, SQLite, acks, pings.

        Only the limits that would refuse the load itself are lifted.
        """
        command = ["server.py", "--port", "{port}", "--database", "sqlite:///{folder}/bench.db"]
        limits = ["--max-viewers", "19000", "--post-rate", "0"]
        command += [*limits, *flags]
        return Server("danmaku", command, self.server_core, self.root)

    def start_peer(self, module: str) -> Server:
        """Start one of `benchmarks/peers/`."""
        return Server(module, ["-m", f"benchmarks.peers.{module}", "{port}"], self.server_core)

    # --- load -----------------------------------------------------------------------------------

    def load(
        self, server: Server, viewers: int, rate: float, seconds: float, **more: Any
    ) -> Report:
        """Run the load tester, and note its faults and warnings."""
        wanted: dict[str, Any] = {
            "history": 0,
            "settle": SETTLE_SECONDS,
            "connect_rate": CONNECTS_PER_SECOND,
            "cpu_list": (self.load_core,),
        }
        url = more.pop("url", server.url)
        report = run(Options(url, viewers=viewers, rate=rate, duration=seconds, **(wanted | more)))
        what = f"{server.name}, {viewers:,} viewers, {rate:g}/s"
        for sentence in [*report.faults, *report.warnings]:
            self.notes.append(f"{what}: {sentence}")
        return report


def measure_pair(pair: int, first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Measure both sides once; which of them comes first changes from pair to pair."""
    if is_first_leading(pair):
        result = first()
        return result, second()
    result = second()
    return first(), result


def cost(report: Report) -> float:
    """Return the µs of the server's CPU time per delivery while posts were due.

    Unlike the report's own `us_per_delivery` it does not include the end of the run, when
    thousands of viewers disconnect at once. It includes pings, the viewer count's waves and the
    posts, and the kernel's work for loopback, which `send` does here on the sender's time.
    """
    assert report.server is not None
    delivered = sum(tick.delivered for tick in report.timeline if tick.at_s < report.seconds)
    return report.server.cpu_share * report.seconds * 1e6 / delivered if delivered else 0.0


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def spread(values: Iterable[float]) -> str:
    """Return the least and the greatest value of several as text."""
    known = sorted(values)
    return f"{known[0]:.2f} to {known[-1]:.2f}" if len(known) > 1 else ""
