"""What the coordinator and its workers send each other over a pipe, pickled: values only."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct, field

from chat.loadtest.measurement import Counters, Histogram, Sums, Timeline
from chat.loadtest.options import Options

Epoch = tuple[str, str]  # room, epoch
Heads = dict[Epoch, int]  # the highest known seq


@dataclass(frozen=True, slots=True)
class Assignment:
    """The first message to a worker: the whole test, and which share of it is its own."""

    options: Options
    run: str
    index: int
    processes: int

    def viewers(self) -> range:
        """The numbers of the viewers that this worker holds."""
        return range(self.index, self.options.viewers, self.processes)

    def room_of(self, viewer: int) -> str:
        """The room of a viewer; each worker has viewers in every room, if there are enough."""
        names = self.options.room_names
        return names[viewer // self.processes % len(names)]


class Open(Struct):
    """To a worker: connect your viewers."""


class Start(Struct):
    """To a worker: post by the schedule from `at` on (CLOCK_MONOTONIC, ns)."""

    at: int


class Settle(Struct):
    """To a worker: wait until all have reached `heads` or `deadline` (ns), then send Outcome."""

    heads: Heads
    deadline: int


class Progress(Struct):
    """From a worker, a few times a second: its progress."""

    counters: Counters
    waiting: int  # viewers still to connect
    due: int  # posts not sent yet
    cpu: float  # seconds of CPU used so far
    p50: float  # ns, of the last second
    p99: float
    heads: Heads


class Outcome(Sums):
    """From a worker, at the end: its measurements. Outcomes can be added."""

    counters: Counters
    timeline: Timeline
    connects: Histogram = field(default_factory=Histogram)
    reconnects: Histogram = field(default_factory=Histogram)
    acks: Histogram = field(default_factory=Histogram)
    lateness: Histogram = field(default_factory=Histogram)  # of posts, from due to sent
    # Post, room, epoch, seq, poster of each ack:
    accepted: list[tuple[int, str, str, int, int]] = field(default_factory=list)
    posts: list[tuple[Epoch, dict[int, int]]] = field(default_factory=list)  # seq -> post
    left_out: list[tuple[Epoch, list[tuple[int, int]]]] = field(default_factory=list)  # ranges
    # One for each process:
    cpu_shares: list[float] = field(default_factory=list)  # of one core while posting
    cpu_seconds: list[float] = field(default_factory=list)
    opening: list[float] = field(default_factory=list)  # s from the first connect to the last
    reopening: list[float] = field(default_factory=list)  # the same for a storm
