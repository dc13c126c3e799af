"""What the coordinator and its worker processes tell one another, over a pipe, pickled.

Values only.
"""

from __future__ import annotations

from dataclasses import dataclass

from chat.loadtest.continuity import Tally
from chat.loadtest.measurement import Histogram, Timeline
from chat.loadtest.options import Options

Heads = dict[tuple[str, str], int]  # room, epoch -> the last seq that anybody heard of


# --- to a worker ---


@dataclass(frozen=True, slots=True)
class Assignment:
    """The first thing a worker hears: all of the test, and which share of it is its own."""

    options: Options
    run: str
    index: int
    processes: int

    def viewers(self) -> range:
        """The numbers of the viewers that this worker holds."""
        return range(self.index, self.options.viewers, self.processes)

    def room_of(self, viewer: int) -> str:
        """Each worker has viewers in every room, where there are enough."""
        names = self.options.room_names
        return names[viewer // self.processes % len(names)]


@dataclass(frozen=True, slots=True)
class Open:
    """Connect your viewers."""


@dataclass(frozen=True, slots=True)
class Start:
    """Post by the schedule, counted from `at` (CLOCK_MONOTONIC, ns.

    One clock for all processes of a machine).
    """

    at: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Posting is over.

    Wait until everyone reached `heads`, at most until `deadline` (ns), then send the Outcome.
    """

    heads: Heads
    deadline: int


# --- from a worker ---


@dataclass(frozen=True, slots=True)
class Progress:
    """A few times a second: how far it is."""

    opened: int
    failed: int
    left: int
    waiting: int  # viewers still to come in
    sent: int
    due: int  # posts not sent yet
    answered: int
    delivered: int
    lost: int
    cpu: float  # seconds of CPU used so far
    p50: float  # ns, of the last seconds
    p99: float
    heads: Heads


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last thing a worker says."""

    tally: Tally
    timeline: Timeline
    connects: Histogram
    reconnects: Histogram
    acks: Histogram
    accepted: list[tuple[str, str, int, int, int]]  # room, epoch, seq, post, poster
    journals: dict[tuple[str, str], dict[int, int]]  # room, epoch -> seq -> post
    left_out: dict[tuple[str, str], list[tuple[int, int]]]
    contradictions: int
    unanswered: int
    present: int  # viewers that were still there at the end
    samples: int
    cpu: float  # seconds used while posting
    wall: float  # seconds of posting
    opening: float  # seconds from the first connect to the last viewer in
    reopening: float  # the same for a storm
    greatest_lateness: int  # ns
