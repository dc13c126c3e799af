"""One process of the load tester.

Holds its share of the viewers, posts its share of the comments, measures. Started by the
coordinator as `python -m chat.loadtest.worker DESCRIPTOR`; it ends when its pipe does.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from multiprocessing.connection import Connection as Pipe

from chat.loadtest.connection import Address, Crew
from chat.loadtest.exchange import Assignment, Heads, Open, Outcome, Progress, Settle, Start
from chat.loadtest.ledger import Ledger
from chat.loadtest.loop import READ, Loop
from chat.loadtest.measurement import find_percentile
from chat.loadtest.options import Options
from chat.loadtest.plan import SECOND, schedule_posts
from chat.loadtest.polling_viewer import PollingViewer
from chat.loadtest.viewer import Life, Viewer
from chat.loadtest.websocket_viewer import WebSocketViewer

HANDSHAKES_LIMIT = 256  # that one process has under way at once
PACE_SECONDS = 0.005  # between two looks at whether viewers may be opened
REPORT_SECONDS = 0.25
CHECK_SECONDS = 0.05
SAMPLES_LIMIT = 100  # viewers of one process that are checked whole


class Worker:
    """One process's share of a load test."""

    def __init__(self, pipe: Pipe, assignment: Assignment) -> None:
        self.pipe = pipe
        self.options: Options = assignment.options
        self.loop = Loop()
        self.ledger = Ledger(self.options.duration + self.options.settle)
        address = Address.resolve(self.options.target.host, self.options.target.port)
        self.crew = Crew(self.options, address, assignment.run, self.loop, self.ledger)
        self.viewers = self.make_viewers(assignment)
        self.posters = [viewer for viewer in self.viewers if not viewer.slow]
        self.connect_rate = self.options.connect_rate / assignment.processes
        self.to_open: list[Viewer] = []
        self.under_way: list[Viewer] = []
        self.allowance = 1.0  # viewers that the pace lets open now
        self.paced = 0  # ns
        self.turn = 0  # whose turn it is to post
        everything = list(enumerate(schedule_posts(self.options)))
        self.schedule = everything[assignment.index :: assignment.processes]
        self.next_post = 0
        self.start = 0  # ns
        self.heads: Heads = {}
        self.deadline = 0
        self.settling = self.done = False
        self.cpu_from = self.cpu_to = self.wall_from = self.wall_to = 0.0
        self.open_from = self.open_to = self.storm_at = 0

    def make_viewers(self, assignment: Assignment) -> list[Viewer]:
        """Return the viewers of this share, the slow and the audited among them."""
        options = self.options
        kind = WebSocketViewer if options.transport == "websocket" else PollingViewer
        numbers = assignment.viewers()
        readers = [number for number in numbers if not options.is_slow(number)]
        samples = min(SAMPLES_LIMIT, max(1, round(len(readers) * options.sample)))
        audited = set(readers[:: max(1, len(readers) // samples)][:samples])
        room = self.ledger.room
        return [
            kind(
                self.crew,
                number,
                room(assignment.room_of(number)),
                options.is_slow(number),
                number in audited,
            )
            for number in numbers
        ]

    def run(self) -> None:
        """Work until the test is over or the coordinator is gone."""
        self.loop.watch(self.pipe.fileno(), self.read_order, READ)
        self.report()
        self.loop.run(lambda: self.done)

    def read_order(self, event: int) -> None:
        """Do what the coordinator says."""
        try:
            order = self.pipe.recv()
        except EOFError:
            self.done = True
            return
        match order:
            case Open():
                self.open_all(self.viewers)
            case Start(at):
                self.begin(at)
            case Settle(heads, deadline):
                self.settle(heads, deadline)

    # --- opening ---

    def open_all(self, viewers: list[Viewer]) -> None:
        """Begin to open viewers, at the pace asked for."""
        self.open_from = self.paced = time.monotonic_ns()
        self.to_open = viewers[::-1]
        self.under_way = []
        self.ledger.joins.clear()
        self.open_some()

    def open_some(self) -> None:
        """Open as many as the pace and the limit allow, and look again soon."""
        moment = time.monotonic_ns()
        if not self.storm_at:
            self.allowance = min(
                self.allowance + (moment - self.paced) / SECOND * self.connect_rate,
                HANDSHAKES_LIMIT,
            )
        else:
            self.allowance = HANDSHAKES_LIMIT
        self.paced = moment
        for viewer in self.under_way:
            viewer.check_opening(moment)
        self.under_way = [viewer for viewer in self.under_way if viewer.life is Life.OPENING]
        while self.to_open and self.allowance >= 1 and len(self.under_way) < HANDSHAKES_LIMIT:
            viewer = self.to_open.pop()
            viewer.open()
            self.under_way.append(viewer)
            self.allowance -= 1
        if self.to_open or self.under_way:
            self.loop.call_in(PACE_SECONDS, self.open_some)

    def waiting(self) -> int:
        """Return how many viewers are still to come in."""
        return len(self.to_open) + sum(viewer.life is Life.OPENING for viewer in self.under_way)

    def storm(self) -> None:
        """Everyone who reads drops, and comes back as fast as it can."""
        if self.settling:
            return
        dropped = [
            viewer for viewer in self.viewers if viewer.life is Life.LIVE and not viewer.slow
        ]
        self.ledger.fold()
        for viewer in dropped:
            viewer.drop()
        self.storm_at = time.monotonic_ns()
        self.open_to = max(self.ledger.joins, default=self.open_from) - self.open_from
        self.open_all(dropped)

    # --- posting ---

    def begin(self, at: int) -> None:
        """Start posting at `at`."""
        self.start = self.ledger.timeline.start = at
        self.open_to = max(self.ledger.joins, default=self.open_from) - self.open_from
        self.cpu_from, self.wall_from = time.process_time(), time.monotonic()
        if self.options.profile == "storm":
            self.loop.call_at(at + round(self.options.duration / 2 * SECOND), self.storm)
        self.post_due()

    def post_due(self) -> None:
        """Send what is due, each comment by the next viewer in turn that is there."""
        moment = time.monotonic_ns()
        while self.next_post < len(self.schedule) and not self.settling:
            number, offset = self.schedule[self.next_post]
            due = self.start + offset
            if due > moment:
                self.loop.call_at(due, self.post_due)
                return
            poster = self.find_poster()
            if poster is None:
                self.ledger.tally.unsent += 1
            else:
                poster.post(number, due)
            self.next_post += 1

    def find_poster(self) -> Viewer | None:
        """Return whose turn it is to post; None when all are gone."""
        for _ in range(len(self.posters)):
            viewer = self.posters[self.turn % len(self.posters)]
            self.turn += 1
            if viewer.life is not Life.GONE:
                return viewer
        return None

    # --- settling ---

    def settle(self, heads: Heads, deadline: int) -> None:
        """Stop posting, wake the slow, and wait for what is on its way."""
        self.settling = True
        self.heads, self.deadline = heads, deadline
        self.cpu_to, self.wall_to = time.process_time(), time.monotonic()
        for viewer in self.viewers:
            viewer.wake()
        self.check_settled()

    def head_for(self, viewer: Viewer) -> int:
        """Return the last seq that a viewer's room is known to have."""
        told = self.heads.get((viewer.room.name, viewer.track.epoch), 0)
        return max(told, viewer.numbering.head)

    def check_settled(self) -> None:
        """Finish when all is there, or when the time is over."""
        settled = not self.waiting() and all(
            viewer.settled(self.head_for(viewer)) for viewer in self.viewers
        )
        if (settled and not self.ledger.posts) or time.monotonic_ns() >= self.deadline:
            self.finish()
        else:
            self.loop.call_in(CHECK_SECONDS, self.check_settled)

    def finish(self) -> None:
        """Close the books, send the viewers home, hand the outcome over."""
        ledger, tally = self.ledger, self.ledger.tally
        ledger.fold()
        tally.unsent += len(self.schedule) - self.next_post + self.crew.held
        present = sum(viewer.life is Life.LIVE for viewer in self.viewers)
        for viewer in self.viewers:
            viewer.track.finish(self.head_for(viewer), viewer.slow and viewer.life is not Life.LIVE)
        numberings = {
            (room.name, epoch): numbering
            for room in ledger.rooms.values()
            for epoch, numbering in room.numberings.items()
        }
        unanswered = len(ledger.posts)
        storm_end = max(ledger.joins, default=self.storm_at)
        for viewer in self.viewers:
            viewer.leave()
        self.pipe.send(
            Outcome(
                tally=tally,
                timeline=ledger.timeline,
                connects=ledger.connects,
                reconnects=ledger.reconnects,
                acks=ledger.acks,
                accepted=ledger.accepted,
                journals={key: numbering.journal for key, numbering in numberings.items()},
                left_out={key: numbering.left_out for key, numbering in numberings.items()},
                contradictions=sum(numbering.contradictions for numbering in numberings.values()),
                unanswered=unanswered,
                present=present,
                samples=sum(viewer.audited for viewer in self.viewers),
                cpu=self.cpu_to - self.cpu_from if self.start else 0.0,
                wall=self.wall_to - self.wall_from if self.start else 0.0,
                opening=self.open_to / SECOND,
                reopening=(storm_end - self.storm_at) / SECOND if self.storm_at else 0.0,
                greatest_lateness=ledger.greatest_lateness,
            )
        )
        self.done = True

    def report(self) -> None:
        """Fold what was noted, and tell the coordinator how far this process is."""
        self.ledger.fold()
        tally, timeline = self.ledger.tally, self.ledger.timeline
        recent = timeline.recent(time.monotonic_ns(), 1.0).counts
        heads = {
            (room.name, epoch): numbering.head
            for room in self.ledger.rooms.values()
            for epoch, numbering in room.numberings.items()
        }
        try:
            self.pipe.send(
                Progress(
                    opened=tally.opened,
                    failed=tally.failed.total(),
                    left=self.crew.left,
                    waiting=self.waiting(),
                    sent=tally.sent,
                    due=len(self.schedule) - self.next_post + self.crew.held,
                    answered=tally.answered + tally.answer_lost,
                    delivered=tally.delivered,
                    lost=tally.lost,
                    cpu=time.process_time(),
                    p50=find_percentile(recent, 0.5),
                    p99=find_percentile(recent, 0.99),
                    heads=heads,
                )
            )
        except BrokenPipeError:
            self.done = True
        self.loop.call_in(REPORT_SECONDS, self.report)


def main() -> None:
    """Serve the coordinator at the other end of the pipe."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the coordinator decides what it means
    pipe = Pipe(int(sys.argv[1]))
    assignment: Assignment = pipe.recv()
    if cpus := assignment.options.cpu_list:
        os.sched_setaffinity(0, {cpus[assignment.index % len(cpus)]})
    # Nothing here makes cycles while it runs, and a collection over all viewers would be a pause.
    gc.disable()
    worker = Worker(pipe, assignment)
    worker.run()
    sys.stdout.flush()
    os._exit(0)  # at once: thousands of sockets need no farewell from the interpreter


if __name__ == "__main__":
    main()
