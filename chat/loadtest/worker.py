"""One process of the load tester: holds its share of the viewers, posts its share of the comments.

Started by the coordinator as `python -m chat.loadtest.worker DESCRIPTOR`; it ends when its pipe
does.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from multiprocessing.connection import Connection as Pipe

from chat.loadtest.connection import Address, WorkerContext
from chat.loadtest.ipc import Assignment, Heads, Open, Progress, Settle, Start
from chat.loadtest.loop import READ, Loop
from chat.loadtest.polling_viewer import PollingViewer
from chat.loadtest.recorder import Recorder
from chat.loadtest.schedule import SECOND, schedule_posts
from chat.loadtest.viewer import Viewer, ViewerState
from chat.loadtest.websocket_viewer import WebSocketViewer

HANDSHAKES_LIMIT = 256  # that one process has under way at once
PACE_SECONDS = 0.005  # between two looks at whether viewers may be opened
REPORT_SECONDS = 0.25
CHECK_SECONDS = 0.05
SAMPLES_LIMIT = 100  # fully checked viewers of one process


class Worker:
    """One process's share of a load test."""

    def __init__(self, pipe: Pipe, assignment: Assignment) -> None:
        self.pipe = pipe
        self.options = options = assignment.options
        self.loop = Loop()
        self.recorder = Recorder(options.duration + options.settle)
        address = Address.resolve(options.target.host, options.target.port)
        self.context = WorkerContext(options, address, assignment.run, self.loop, self.recorder)
        self.viewers = self._make_viewers(assignment)
        self.posters = [viewer for viewer in self.viewers if not viewer.slow]
        self.connect_rate = options.connect_rate / assignment.processes
        self.to_open: list[Viewer] = []
        self.opening: list[Viewer] = []
        self.allowance = 1.0  # viewers that the pace lets open now
        self.paced = self.open_from = self.open_took = self.storm_at = 0  # ns
        everything = list(enumerate(schedule_posts(options)))
        self.schedule = everything[assignment.index :: assignment.processes]
        self.next_post = self.next_poster = 0
        self.start = self.deadline = 0  # ns
        self.heads: Heads = {}
        self.settling = self.done = False
        self.cpu_from = self.cpu_used = self.wall_from = self.wall_took = 0.0

    def _make_viewers(self, assignment: Assignment) -> list[Viewer]:
        options, numbers = self.options, assignment.viewers()
        viewer_class = WebSocketViewer if options.transport == "websocket" else PollingViewer
        readers = [number for number in numbers if not options.is_slow(number)]
        samples = min(SAMPLES_LIMIT, max(1, round(len(readers) * options.sample)))
        checked = set(readers[:: max(1, len(readers) // samples)][:samples])
        viewers: list[Viewer] = []
        for number in numbers:
            room = assignment.room_of(number)
            slow = options.is_slow(number)
            viewers.append(viewer_class(self.context, number, room, slow, number in checked))
        return viewers

    def run(self) -> None:
        """Run until the test is over or the coordinator has ended."""
        self.loop.watch(self.pipe.fileno(), self._read_order, READ)
        self._report()
        self.loop.run(lambda: self.done)

    def _read_order(self, event: int) -> None:
        try:
            order = self.pipe.recv()
        except EOFError:
            self.done = True
            return
        match order:
            case Open():
                self._open(self.viewers)
            case Start(at):
                self._start_posting(at)
            case Settle(heads, deadline):
                self._settle(heads, deadline)

    # --- opening ---

    def _open(self, viewers: list[Viewer]) -> None:
        """Begin to open viewers: in a storm as fast as the limit allows, else at the pace asked."""
        self.open_from = self.paced = time.monotonic_ns()
        self.to_open, self.opening = viewers[::-1], []
        self.recorder.joins.clear()
        self._open_some()

    def _open_some(self) -> None:
        moment = time.monotonic_ns()
        earned = (moment - self.paced) / SECOND * self.connect_rate
        self.allowance = min(self.allowance + earned, HANDSHAKES_LIMIT)
        self.paced = moment
        for viewer in self.opening:
            viewer.check_opening(moment)
        self.opening = [one for one in self.opening if one.state is ViewerState.OPENING]
        while self.to_open and len(self.opening) < HANDSHAKES_LIMIT:
            if not self.storm_at and self.allowance < 1:
                break
            viewer = self.to_open.pop()
            viewer.open()
            self.opening.append(viewer)
            self.allowance -= 1
        if self.to_open or self.opening:
            self.loop.call_in(PACE_SECONDS, self._open_some)

    def _waiting(self) -> int:
        """Return how many viewers are still to connect."""
        opening = sum(viewer.state is ViewerState.OPENING for viewer in self.opening)
        return len(self.to_open) + opening

    def _took(self, since: int) -> int:
        """Return how many ns after `since` the last viewer was connected."""
        return max(self.recorder.joins, default=since) - since

    def _storm(self) -> None:
        """Disconnect everyone who reads, and let them reconnect."""
        if self.settling:
            return
        live = [one for one in self.viewers if one.state is ViewerState.LIVE and not one.slow]
        self.recorder.aggregate()
        for viewer in live:
            viewer.disconnect()
        self.storm_at = time.monotonic_ns()
        self._open(live)

    # --- posting ---

    def _start_posting(self, at: int) -> None:
        self.start = self.recorder.timeline.start = at
        self.open_took = self._took(self.open_from)
        self.cpu_from, self.wall_from = time.process_time(), time.monotonic()
        if self.options.profile == "storm":
            self.loop.call_at(at + round(self.options.duration / 2 * SECOND), self._storm)
        self._post_due()

    def _post_due(self) -> None:
        """Send what is due, each comment by the next viewer in turn."""
        moment = time.monotonic_ns()
        while self.next_post < len(self.schedule) and not self.settling:
            number, offset = self.schedule[self.next_post]
            due = self.start + offset
            if due > moment:
                self.loop.call_at(due, self._post_due)
                return
            poster = self._find_poster()
            if poster is None:
                self.recorder.counters.unsent += 1
            else:
                poster.post(number, due)
            self.next_post += 1

    def _find_poster(self) -> Viewer | None:
        """Return the next viewer to post; None if all are closed."""
        for _ in self.posters:
            viewer = self.posters[self.next_poster % len(self.posters)]
            self.next_poster += 1
            if viewer.state is not ViewerState.CLOSED:
                return viewer
        return None

    def _due(self) -> int:
        """Return how many posts are not sent yet."""
        return len(self.schedule) - self.next_post + self.context.held

    # --- settling ---

    def _settle(self, heads: Heads, deadline: int) -> None:
        """Stop posting, let slow viewers read, and wait for late answers and deliveries."""
        self.settling, self.heads, self.deadline = True, heads, deadline
        if self.start:
            self.cpu_used = time.process_time() - self.cpu_from
            self.wall_took = time.monotonic() - self.wall_from
        for viewer in self.viewers:
            viewer.resume()
        self._check_settled()

    def _head_for(self, viewer: Viewer) -> int:
        """Return the highest known seq of a viewer's room."""
        known = self.heads.get((viewer.room, viewer.tracker.epoch), 0)
        return max(known, viewer.epoch.head)

    def _check_settled(self) -> None:
        is_waiting = self._waiting() or self.recorder.posts
        if time.monotonic_ns() >= self.deadline or not (
            is_waiting or any(one.is_behind(self._head_for(one)) for one in self.viewers)
        ):
            self._finish()
        else:
            self.loop.call_in(CHECK_SECONDS, self._check_settled)

    def _finish(self) -> None:
        """Complete the figures, close the viewers, send the outcome."""
        recorder, counters, outcome = self.recorder, self.recorder.counters, self.recorder.outcome
        recorder.aggregate()
        counters.unsent += self._due()
        counters.unanswered = len(recorder.posts)
        for viewer in self.viewers:
            is_live = viewer.state is ViewerState.LIVE
            counters.present += is_live
            counters.samples += viewer.fully_checked
            viewer.tracker.finish(self._head_for(viewer), forgiven=viewer.slow and not is_live)
        for key, record in recorder.epochs.items():
            outcome.posts.append((key, record.posts))
            outcome.left_out.append((key, record.left_out))
        outcome.cpu_seconds.append(self.cpu_used)
        outcome.cpu_shares.append(self.cpu_used / self.wall_took if self.wall_took else 0.0)
        outcome.opening.append(self.open_took / SECOND)
        outcome.reopening.append(self._took(self.storm_at) / SECOND if self.storm_at else 0.0)
        for viewer in self.viewers:
            viewer.finish()
        self.pipe.send(outcome)
        self.done = True

    def _report(self) -> None:
        """Aggregate the receipts, and send the progress to the coordinator."""
        self.recorder.aggregate()
        recent = self.recorder.timeline.recent(time.monotonic_ns(), 1.0)
        progress = Progress(
            counters=self.recorder.counters,
            waiting=self._waiting(),
            due=self._due(),
            cpu=time.process_time(),
            p50=recent.percentile(0.5),
            p99=recent.percentile(0.99),
            heads=self.recorder.heads(),
        )
        try:
            self.pipe.send(progress)
        except BrokenPipeError:
            self.done = True
        self.loop.call_in(REPORT_SECONDS, self._report)


def main() -> None:
    """Work for the coordinator at the other end of the pipe."""
    # Ctrl-C reaches the whole process group; only the coordinator handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = Pipe(int(sys.argv[1]))
    assignment: Assignment = pipe.recv()
    if cpus := assignment.options.cpu_list:
        os.sched_setaffinity(0, {cpus[assignment.index % len(cpus)]})
    # Nothing here makes cycles while it runs, and a collection over all viewers would be a pause.
    gc.disable()
    Worker(pipe, assignment).run()
    os._exit(0)  # freeing thousands of viewers one by one would take seconds


if __name__ == "__main__":
    main()
