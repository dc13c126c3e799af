"""Combines the outcomes of all workers into one report, and compares acks with deliveries."""

from __future__ import annotations

import operator
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from functools import reduce

from msgspec import structs

from chat.loadtest.ipc import Outcome
from chat.loadtest.measurement import Counters, Timeline, bucket_end
from chat.loadtest.options import Options
from chat.loadtest.report import Latency, Load, MachineLoad, Report, Server, Tick
from chat.loadtest.schedule import schedule_posts
from chat.loadtest.server_usage import MachineUsage, ServerUsage, Usage


@dataclass(slots=True)
class Course:
    """The times of the phases of a test, and the resources used up to each."""

    start: float = 0.0  # of posting, else of opening; seconds of CLOCK_MONOTONIC
    end: float = 0.0
    posted: bool = False
    interrupted: bool = False
    server: dict[str, Usage | None] = field(default_factory=dict)  # by phase
    machine: dict[str, MachineUsage] = field(default_factory=dict)
    loads: list[Load] = field(default_factory=list)  # `at_s` by CLOCK_MONOTONIC
    previous: tuple[float, list[float], Usage | None] | None = None

    def mark(self, phase: str, server: ServerUsage | None) -> None:
        """Record the resources used up to the end of a phase."""
        self.server[phase] = server.read() if server else None
        self.machine[phase] = MachineUsage.read()

    def sample(self, tester: list[float], server: ServerUsage | None) -> None:
        """Record the load since the last sample; `tester` is the CPU seconds used so far."""
        moment, usage = time.monotonic(), server.read() if server else None
        if self.previous:
            then, tester_then, usage_then = self.previous
            took = moment - then
            spent = [now - before for now, before in zip(tester, tester_then, strict=True)]
            shares = [round(seconds / took, 3) for seconds in spent]
            share = round((usage.cpu - usage_then.cpu) / took, 3) if usage and usage_then else None
            self.loads.append(Load(moment, shares, share, usage.memory if usage else None))
        self.previous = (moment, tester, usage)


def compare_acks(total: Outcome, ordered_senders: bool) -> int:
    """Return how many acked posts no viewer got; count contradictions, duplicates and disorder.

    Each acked post must have been seen under its seq, once, and in its sender's order.
    """
    counters = total.counters
    seen: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    left_out: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for key, posts in total.posts:
        for seq, post in posts.items():
            counters.contradictions += seen[key].setdefault(seq, post) != post
    for key, ranges in total.left_out:
        left_out[key] += ranges
    for posts in seen.values():
        counters.duplicated += len(posts) - len(set(posts.values()))
    missing = 0
    latest: dict[int, int] = {}
    for post, room, epoch, seq, poster in sorted(total.accepted):
        key = (room, epoch)
        if seq in seen[key]:
            counters.contradictions += seen[key][seq] != post
        else:
            missing += not any(first <= seq <= last for first, last in left_out[key])
        if ordered_senders:
            counters.out_of_order += seq < latest.get(poster, 0)
            latest[poster] = seq
    return missing


def list_ticks(timeline: Timeline, seconds: float) -> list[Tick]:
    """Describe the ticks up to the last one in which something happened."""
    length = timeline.length / 1e9
    busy = [index for index, tick in enumerate(timeline.ticks) if tick.delivered or tick.sent]
    count = max([*busy, round(seconds / length) - 1]) + 1
    return [
        Tick(
            at_s=round(index * length, 3),
            sent=tick.sent,
            delivered=tick.delivered,
            received_bytes=tick.received_bytes,
            p50_ms=round(tick.latency.percentile(0.5) / 1e6, 3),
            p99_ms=round(tick.latency.percentile(0.99) / 1e6, 3),
            max_ms=round(tick.latency.greatest / 1e6, 3),
        )
        for index, tick in enumerate(timeline.ticks[:count])
    ]


def describe_server(
    course: Course, server: ServerUsage | None, seconds: float, counters: Counters
) -> Server | None:
    """Return what the server used in each phase; None when it is not known."""
    phases = ("before", "open", "posted", "end")
    usages = [usage for phase in phases if (usage := course.server.get(phase))]
    if server is None or len(usages) < len(phases):
        return None
    before, opened, posted, end = usages
    delivered, viewers = counters.delivered, counters.connected
    cpu, connect = end.cpu - opened.cpu, opened.cpu - before.cpu
    memories = [usage.memory for usage in usages]
    memories += [load.server_memory_bytes for load in course.loads if load.server_memory_bytes]
    return Server(
        pids=server.pids,
        cpu_s=round(cpu, 3),
        cpu_share=divide(posted.cpu - opened.cpu, seconds, 3),
        us_per_delivery=divide(cpu * 1e6, delivered, 3),
        connect_cpu_s=round(connect, 3),
        us_per_connect=divide(connect * 1e6, viewers, 1),
        memory_before_bytes=before.memory,
        memory_open_bytes=opened.memory,
        memory_peak_bytes=max(memories),
        memory_per_viewer_bytes=divide(opened.memory - before.memory, viewers, 0),
    )


def describe_machine(course: Course, seconds: float, tester: float) -> MachineLoad | None:
    """Return what neither server nor tester used while posts were due; None when not known."""
    opened, posted = course.server.get("open"), course.server.get("posted")
    if not opened or not posted or not seconds:
        return None
    before, after = course.machine["open"], course.machine["posted"]
    busy, total = after.busy - before.busy, after.total - before.total
    others = busy - (posted.cpu - opened.cpu) - tester
    return MachineLoad(max(0.0, divide(others, seconds, 3)), 1 - divide(busy, total, 3))


def divide(amount: float, by: float, digits: int) -> float:
    """Return a rounded quotient; 0 where there is nothing to divide by."""
    return round(amount / by, digits) if by else 0.0


def summarize(
    options: Options, outcomes: list[Outcome], course: Course, server: ServerUsage | None
) -> Report:
    """Return the report of a whole test."""
    total = reduce(operator.add, outcomes)
    in_order = options.transport == "websocket" and options.profile != "storm"
    missing = compare_acks(total, in_order)
    counters, latency = total.counters, total.timeline.total()
    seconds = max(0.0, min(course.end - course.start, options.duration)) if course.posted else 0.0
    delivered = counters.delivered
    for name in ("failed", "closed", "unrecovered", "rejected", "violations"):
        setattr(counters, name, dict(getattr(counters, name).most_common()))
    return Report(
        **structs.asdict(counters),
        options=asdict(options),
        processes=len(outcomes),
        seconds=round(seconds, 3),
        interrupted=course.interrupted,
        viewers=options.viewers,
        slow_viewers=options.slow_viewers,
        planned=len(schedule_posts(options)),
        connects_per_second=divide(counters.connected, max(total.opening), 1),
        connect_latency=Latency.of(total.connects),
        reconnects_per_second=divide(counters.reconnected, max(total.reopening), 1),
        reconnect_latency=Latency.of(total.reconnects),
        ack_latency=Latency.of(total.acks),
        latency=Latency.of(latency),
        greatest_lateness_ms=round(total.lateness.greatest / 1e6, 3),
        bytes_per_delivery=divide(counters.received_bytes, delivered, 1),
        deliveries_per_second=divide(delivered, seconds, 1),
        acked_but_missing=missing,
        tester_cpu=[round(share, 3) for share in total.cpu_shares],
        server=describe_server(course, server, seconds, counters),
        machine_load=describe_machine(course, seconds, sum(total.cpu_seconds)),
        timeline=list_ticks(total.timeline, seconds),
        loads=[
            structs.replace(load, at_s=round(load.at_s - course.start, 2)) for load in course.loads
        ],
        distribution=[
            (bucket_end(bucket) / 1e6, latency.counts[bucket]) for bucket in sorted(latency.counts)
        ],
    )
