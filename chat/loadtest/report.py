"""All figures of one load test as one frozen value, and the verdict on them.

Computes; prints nothing. Units are in the names: `_ms`, `_us`, `_s`, `_bytes`; shares are between 0
and 1.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chat.loadtest.measurement import Histogram, bucket_end, find_percentile

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
        """Read them from a histogram."""
        greatest = histogram.greatest / 1e6

        def find(share: float) -> float:
            # A bucket's end may lie past the exact maximum; no percentile does.
            return round(min(find_percentile(histogram.counts, share) / 1e6, greatest), 3)

        return cls(
            count=histogram.counts.total(),
            p50_ms=find(0.5),
            p90_ms=find(0.9),
            p99_ms=find(0.99),
            p999_ms=find(0.999),
            max_ms=round(greatest, 3),
        )


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
    connect_cpu_s: float  # while viewers came in
    us_per_connect: float
    memory_before_bytes: int  # no viewers yet
    memory_open_bytes: int  # all viewers in, nothing posted
    memory_peak_bytes: int
    memory_per_viewer_bytes: float


class Others(msgspec.Struct, frozen=True):
    """What the rest of the machine did while posts were due, when the server is local."""

    cpu_share: float  # of one core, by all programs but the server and the tester
    idle: float  # share of the whole machine that nobody used


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The figures, the verdict, the warnings."""

    options: dict[str, Any]
    processes: int
    seconds: float  # of posting; shorter than asked when interrupted
    interrupted: bool

    viewers: int
    connected: int
    present: int  # at the end
    failed: dict[str, int]
    closed: dict[str, int]
    slow_viewers: int
    slow_closed: int
    compressed: int
    connects_per_second: float
    connect_latency: Latency
    reconnected: int
    reconnects_per_second: float
    reconnect_latency: Latency
    unrecovered: dict[str, int]

    planned: int
    sent: int
    acked: int
    deduplicated: int
    rejected: dict[str, int]
    unsent: int
    unanswered: int
    answer_lost: int
    ack_latency: Latency
    greatest_lateness_ms: float

    expected: int
    delivered: int
    resumed: int
    lost: int
    out_of_order: int
    duplicated: int
    thinned: int
    skipped: int
    latency: Latency
    received_bytes: int
    bytes_per_delivery: float
    deliveries_per_second: float

    samples: int
    checked: int
    acked_but_missing: int
    contradictions: int
    violations: dict[str, int]

    tester_cpu: list[float]  # share of one core for each process, while posting
    server: Server | None
    others: Others | None
    timeline: list[Tick]
    loads: list[Load]
    distribution: list[tuple[float, int]]  # ms where a bucket ends, deliveries in it
    notes: list[str]

    @property
    def faults(self) -> list[str]:
        """What makes the verdict bad, a sentence each."""
        asked = self.viewers
        gone = self.connected - self.present - self.slow_closed
        checks = [
            (
                asked - self.connected,
                f"{asked - self.connected:,} of {asked:,} viewers did not connect.",
            ),
            (gone, f"{gone:,} viewers were gone before the end."),
            (self.lost, f"{self.lost:,} deliveries were lost."),
            (self.out_of_order, f"{self.out_of_order:,} deliveries came out of order."),
            (self.duplicated, f"{self.duplicated:,} deliveries came twice."),
            (self.acked_but_missing, f"{self.acked_but_missing:,} acked comments reached nobody."),
            (
                self.contradictions,
                f"{self.contradictions:,} times a seq did not mean the same to everyone.",
            ),
            (self.unanswered, f"{self.unanswered:,} posts got no answer."),
            (self.rejected and not self.acked, "No post was accepted: all were rejected."),
            (
                self.violations,
                "The protocol was broken: "
                + "; ".join(f"{k} ({v:,})" for k, v in self.violations.items())
                + ".",
            ),
        ]
        return [sentence for fault, sentence in checks if fault]

    @property
    def warnings(self) -> list[str]:
        """What to know before these figures are believed."""
        found = list(self.notes)
        busiest = max(self.tester_cpu, default=0.0)
        if busiest > TESTER_CPU_WARNING:
            found.append(
                f"A process of the tester was busy {busiest:.0%} of the time: "
                "the tester is what was measured. Take more --processes, or another machine."
            )
        if self.greatest_lateness_ms > LATENESS_WARNING_MS and not self.reconnected:
            found.append(
                f"A comment was sent up to {self.greatest_lateness_ms:.0f} ms late, "
                "which counts as latency."
            )
        others = self.others
        if others and others.cpu_share > OTHERS_WARNING and others.idle < IDLE_WARNING:
            found.append(
                f"Other programs took {others.cpu_share:.0%} of a core and {others.idle:.0%} of "
                "the machine was idle: latencies are partly theirs."
            )
        if self.unsent and not self.interrupted:
            found.append(
                f"{self.unsent:,} of {self.planned:,} posts were not sent: "
                "no viewer was there to send them."
            )
        if self.options["compress"] and self.compressed < self.connected:
            found.append(
                f"The server granted compression to {self.compressed:,} "
                f"of {self.connected:,} viewers."
            )
        if self.interrupted:
            found.append("Interrupted: these are the figures so far.")
        return found

    @property
    def exit_code(self) -> int:
        """What the command exits with: 0, or 1 when there is a fault."""
        return 1 if self.faults else 0

    def to_json(self) -> bytes:
        """Return all figures, with the verdict, as readable JSON."""
        body = msgspec.to_builtins(self)
        body |= {"faults": self.faults, "warnings": self.warnings, "exit_code": self.exit_code}
        return msgspec.json.format(msgspec.json.encode(body), indent=1)


def list_distribution(histogram: Histogram) -> list[tuple[float, int]]:
    """Return the filled buckets: where each ends, in ms, and how many are in it."""
    return [
        (bucket_end(bucket) / 1e6, histogram.counts[bucket]) for bucket in sorted(histogram.counts)
    ]
