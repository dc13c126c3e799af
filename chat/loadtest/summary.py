"""Adds the outcomes of all workers up to one report, and holds acks against what was received."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass

from chat.loadtest.continuity import Tally
from chat.loadtest.exchange import Outcome
from chat.loadtest.measurement import Timeline, add_up, find_percentile
from chat.loadtest.options import Options
from chat.loadtest.report import Latency, Load, Others, Report, Server, Tick, list_distribution
from chat.loadtest.server_usage import Machine, Usage


@dataclass(slots=True)
class Samples:
    """The server's usage at the turning points of a test; None where it is not known."""

    before: Usage | None = None
    open: Usage | None = None
    posted: Usage | None = None
    end: Usage | None = None
    machine_open: Machine | None = None
    machine_posted: Machine | None = None


@dataclass(slots=True)
class Findings:
    """What only the view over all processes shows."""

    acked_but_missing: int = 0
    contradictions: int = 0
    twice: int = 0
    disorder: int = 0


def compare_journals(outcomes: list[Outcome], ordered_senders: bool) -> Findings:
    """Check that each acked post was seen under its seq, once, and in its sender's order."""
    found = Findings(contradictions=sum(outcome.contradictions for outcome in outcomes))
    journals: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    left_out: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for outcome in outcomes:
        for key, journal in outcome.journals.items():
            merged = journals[key]
            for seq, post in journal.items():
                found.contradictions += merged.setdefault(seq, post) != post
        for key, ranges in outcome.left_out.items():
            left_out[key] += ranges
    for journal in journals.values():
        found.twice += len(journal) - len(set(journal.values()))
    latest: dict[int, int] = {}
    accepted = sorted(
        (
            (post, room, epoch, seq, poster)
            for o in outcomes
            for room, epoch, seq, post, poster in o.accepted
        )
    )
    for post, room, epoch, seq, poster in accepted:
        key = (room, epoch)
        seen = journals[key].get(seq)
        if seen is None:
            found.acked_but_missing += not any(
                first <= seq <= last for first, last in left_out[key]
            )
        else:
            found.contradictions += seen != post
        if ordered_senders:
            found.disorder += seq < latest.get(poster, 0)
            latest[poster] = seq
    return found


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
            p50_ms=round(find_percentile(tick.latency.counts, 0.5) / 1e6, 3),
            p99_ms=round(find_percentile(tick.latency.counts, 0.99) / 1e6, 3),
            max_ms=round(tick.latency.greatest / 1e6, 3),
        )
        for index, tick in enumerate(timeline.ticks[:count])
    ]


def describe_server(
    samples: Samples, loads: list[Load], pids: list[int], seconds: float, tally: Tally
) -> Server | None:
    """Return the server's cost between the turning points; None when it is not known."""
    before, opened, posted, end = samples.before, samples.open, samples.posted, samples.end
    if before is None or opened is None or posted is None or end is None:
        return None
    cpu, connect = end.cpu - opened.cpu, opened.cpu - before.cpu
    memories = [before.memory, opened.memory, posted.memory, end.memory]
    memories += [load.server_memory_bytes for load in loads if load.server_memory_bytes]
    return Server(
        pids=pids,
        cpu_s=round(cpu, 3),
        cpu_share=round((posted.cpu - opened.cpu) / seconds, 3) if seconds else 0.0,
        us_per_delivery=round(cpu * 1e6 / tally.delivered, 3) if tally.delivered else 0.0,
        connect_cpu_s=round(connect, 3),
        us_per_connect=round(connect * 1e6 / tally.opened, 1) if tally.opened else 0.0,
        memory_before_bytes=before.memory,
        memory_open_bytes=opened.memory,
        memory_peak_bytes=max(memories),
        memory_per_viewer_bytes=round((opened.memory - before.memory) / tally.opened)
        if tally.opened
        else 0.0,
    )


def describe_others(samples: Samples, tester: float, seconds: float) -> Others | None:
    """Return what neither server nor tester used; None when it is not known."""
    before, after = samples.machine_open, samples.machine_posted
    if before is None or after is None or samples.open is None or samples.posted is None:
        return None
    busy, total = after.busy - before.busy, after.total - before.total
    if not seconds or not total:
        return None
    others = busy - (samples.posted.cpu - samples.open.cpu) - tester
    return Others(round(max(0.0, others / seconds), 3), round(1 - busy / total, 3))


def summarize(
    options: Options,
    outcomes: list[Outcome],
    loads: list[Load],
    samples: Samples,
    *,
    pids: list[int],
    planned: int,
    seconds: float,
    interrupted: bool,
) -> Report:
    """Return the report of a whole test."""
    tally = Tally()
    timeline = Timeline(options.duration + options.settle)
    for outcome in outcomes:
        tally.add(outcome.tally)
        timeline.add(outcome.timeline)
    latency = timeline.total()
    found = compare_journals(
        outcomes, ordered_senders=options.transport == "websocket" and options.profile != "storm"
    )
    opening = max(outcome.opening for outcome in outcomes)
    reopening = max(outcome.reopening for outcome in outcomes)
    server = describe_server(samples, loads, pids, seconds, tally)
    notes = (
        []
        if server
        else ["The server's CPU and memory are not known: it is not local, or psutil is missing."]
    )

    def plain(counter: Counter[str]) -> dict[str, int]:
        return dict(counter.most_common())

    return Report(
        options=asdict(options),
        processes=len(outcomes),
        seconds=round(seconds, 3),
        interrupted=interrupted,
        viewers=options.viewers,
        connected=tally.opened,
        present=sum(outcome.present for outcome in outcomes),
        failed=plain(tally.failed),
        closed=plain(tally.closed),
        slow_viewers=options.slow_viewers,
        slow_closed=tally.slow_closed,
        compressed=tally.compressed,
        connects_per_second=round(tally.opened / opening, 1) if opening else 0.0,
        connect_latency=Latency.of(add_up(outcome.connects for outcome in outcomes)),
        reconnected=tally.reopened,
        reconnects_per_second=round(tally.reopened / reopening, 1) if reopening else 0.0,
        reconnect_latency=Latency.of(add_up(outcome.reconnects for outcome in outcomes)),
        unrecovered=plain(tally.unrecovered),
        planned=planned,
        sent=tally.sent,
        acked=tally.acked,
        deduplicated=tally.deduplicated,
        rejected=plain(tally.rejected),
        unsent=tally.unsent,
        unanswered=sum(outcome.unanswered for outcome in outcomes),
        answer_lost=tally.answer_lost,
        ack_latency=Latency.of(add_up(outcome.acks for outcome in outcomes)),
        greatest_lateness_ms=round(max(outcome.greatest_lateness for outcome in outcomes) / 1e6, 3),
        expected=tally.expected,
        delivered=tally.delivered,
        resumed=tally.resumed,
        lost=tally.lost,
        out_of_order=tally.out_of_order + found.disorder,
        duplicated=tally.duplicated + found.twice,
        thinned=tally.thinned,
        skipped=tally.skipped,
        latency=Latency.of(latency),
        received_bytes=tally.received_bytes,
        bytes_per_delivery=round(tally.received_bytes / tally.delivered, 1)
        if tally.delivered
        else 0.0,
        deliveries_per_second=round(tally.delivered / seconds, 1) if seconds else 0.0,
        samples=sum(outcome.samples for outcome in outcomes),
        checked=tally.checked,
        acked_but_missing=found.acked_but_missing,
        contradictions=found.contradictions,
        violations=plain(tally.violations),
        tester_cpu=[
            round(outcome.cpu / outcome.wall, 3) if outcome.wall else 0.0 for outcome in outcomes
        ],
        server=server,
        others=describe_others(samples, sum(outcome.cpu for outcome in outcomes), seconds),
        timeline=list_ticks(timeline, seconds),
        loads=loads,
        distribution=list_distribution(latency),
        notes=notes,
    )
