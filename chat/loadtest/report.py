"""All figures of one load test as one frozen value, the faults found, and the warnings.

Computes, prints nothing. Units are in the names: `_ms`, `_us`, `_s`, `_bytes`; shares are between 0
and 1.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chat.loadtest.measurement import Counters, Histogram

TESTER_CPU_WARNING = 0.85
LATENESS_WARNING_MS = 50.0
OTHERS_WARNING, IDLE_WARNING = 0.25, 0.15


class Latency(msgspec.Struct, frozen=True):
    """Percentiles of one kind of latency."""

    count: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float

    @classmethod
    def of(cls, histogram: Histogram) -> Latency:
        """Compute them from a histogram."""
        greatest = histogram.greatest / 1e6
        # A bucket's end may lie past the exact maximum; no percentile does.
        shares = (0.5, 0.9, 0.99, 0.999)
        found = [min(histogram.percentile(share) / 1e6, greatest) for share in shares]
        p50, p90, p99, p999 = (round(value, 3) for value in found)
        return cls(histogram.counts.total(), p50, p90, p99, p999, round(greatest, 3))

    def __str__(self) -> str:
        """Return them in one line."""
        if not self.count:
            return "none"
        values = (self.p50_ms, self.p90_ms, self.p99_ms, self.p999_ms, self.max_ms)
        names = ("p50", "p90", "p99", "p99.9", "max")
        return "   ".join(f"{n} {format_ms(v)}" for n, v in zip(names, values, strict=True)) + " ms"


def format_ms(value: float) -> str:
    """Return milliseconds, with a decimal below 100."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


class Tick(msgspec.Struct, frozen=True):
    """A stretch of the run: what was sent and delivered in it, and how late."""

    at_s: float
    sent: int
    delivered: int
    received_bytes: int
    p50_ms: float
    p99_ms: float
    max_ms: float


class Load(msgspec.Struct, frozen=True):
    """The CPU shares (of one core) and the server's memory at one moment."""

    at_s: float
    tester: list[float]
    server: float | None
    server_memory_bytes: int | None


class Server(msgspec.Struct, frozen=True):
    """What a local server used."""

    pids: list[int]
    cpu_s: float  # from the first post to the end
    cpu_share: float  # of one core, while posts were due
    us_per_delivery: float
    connect_cpu_s: float  # while viewers connected
    us_per_connect: float
    memory_before_bytes: int  # no viewers yet
    memory_open_bytes: int  # all viewers connected, nothing posted
    memory_peak_bytes: int
    memory_per_viewer_bytes: float


class MachineLoad(msgspec.Struct, frozen=True):
    """The other load of the machine while posts were due, if the server is local."""

    cpu_share: float  # of one core, by all programs but the server and the tester
    idle: float  # share of the whole machine that was idle


class Report(Counters, kw_only=True):
    """The figures: those of `Counters`, and what follows from them."""

    options: dict[str, Any]
    processes: int
    seconds: float  # of posting; shorter than asked when interrupted
    interrupted: bool
    viewers: int
    slow_viewers: int
    planned: int  # posts

    connects_per_second: float
    connect_latency: Latency
    reconnects_per_second: float
    reconnect_latency: Latency
    ack_latency: Latency
    latency: Latency
    greatest_lateness_ms: float  # of a post, from due to sent
    bytes_per_delivery: float
    deliveries_per_second: float
    acked_but_missing: int

    tester_cpu: list[float]  # share of one core for each process, while posting
    server: Server | None
    machine_load: MachineLoad | None
    timeline: list[Tick]
    loads: list[Load]
    distribution: list[tuple[float, int]]  # ms where a bucket ends, deliveries in it

    @property
    def faults(self) -> list[str]:
        """The faults, a sentence each; with any, the exit code is 1."""
        missing = self.viewers - self.connected
        gone = self.connected - self.present - self.slow_closed
        violations = "; ".join(f"{what} ({count:,})" for what, count in self.violations.items())
        sentences = {
            f"{missing:,} of {self.viewers:,} viewers did not connect.": missing,
            f"{gone:,} viewers were disconnected before the end.": gone,
            f"{self.lost:,} deliveries were lost.": self.lost,
            f"{self.out_of_order:,} deliveries were out of order.": self.out_of_order,
            f"{self.duplicated:,} deliveries were duplicates.": self.duplicated,
            f"{self.acked_but_missing:,} acked comments reached no viewer.": self.acked_but_missing,
            f"{self.contradictions:,} seqs meant different comments.": self.contradictions,
            f"{self.unanswered:,} posts got no answer.": self.unanswered,
            "No post was accepted: all were rejected.": self.rejected and not self.acked,
            f"The protocol was broken: {violations}.": self.violations,
        }
        return [sentence for sentence, is_so in sentences.items() if is_so]

    @property
    def warnings(self) -> list[str]:
        """Reasons to doubt the figures, a sentence each."""
        busiest, late = max(self.tester_cpu, default=0.0), self.greatest_lateness_ms
        others = self.machine_load or MachineLoad(0.0, 1.0)
        sentences = {
            "The server's CPU and memory are not known: it is not on this machine, "
            "cannot be inspected, or was restarted.": self.server is None,
            f"A process of the tester was busy {busiest:.0%} of the time: the tester is what was "
            "measured. Use more --processes, or another machine.": busiest > TESTER_CPU_WARNING,
            f"A comment was sent up to {late:.0f} ms late, which counts as latency.": (
                late > LATENESS_WARNING_MS and not self.reconnected
            ),
            f"Other programs took {others.cpu_share:.0%} of a core and {others.idle:.0%} of "
            "the machine was idle: they contribute to the latencies.": (
                others.cpu_share > OTHERS_WARNING and others.idle < IDLE_WARNING
            ),
            f"{self.unsent:,} of {self.planned:,} posts were not sent: "
            "no viewer was connected to send them.": self.unsent and not self.interrupted,
            f"The server granted compression to {self.compressed:,} of {self.connected:,} "
            "viewers.": self.options["compress"] and self.compressed < self.connected,
            "Interrupted: these are the figures so far.": self.interrupted,
        }
        return [sentence for sentence, is_so in sentences.items() if is_so]

    @property
    def successes(self) -> list[str]:
        """The result of a test without a fault, in one sentence."""
        if self.faults:
            return []
        if not self.expected:
            return [f"All {self.connected:,} viewers connected and stayed."]
        return [f"All of {self.expected:,} expected deliveries are accounted for, in order."]

    @property
    def exit_code(self) -> int:
        """The exit status: 0, or 1 if there is a fault."""
        return 1 if self.faults else 0

    def to_json(self) -> bytes:
        """Return all figures, faults and warnings as readable JSON."""
        body = msgspec.to_builtins(self)
        body |= {"faults": self.faults, "warnings": self.warnings, "exit_code": self.exit_code}
        return msgspec.json.format(msgspec.json.encode(body), indent=1)
