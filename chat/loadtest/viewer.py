"""What every simulated viewer has, whichever way it follows its room.

A place in the numbering, and a life. NEW -> OPENING -> LIVE -> GONE; a storm leads from LIVE back
to OPENING.
"""

from __future__ import annotations

from enum import Enum
from time import monotonic_ns

from chat.loadtest.connection import Connection, Crew
from chat.loadtest.continuity import Track
from chat.loadtest.ledger import Memo, Numbering, Room
from chat.loadtest.messages import Batch, Entry, read_batch

RETRY_SECONDS = 0.5  # a storm's viewer that was turned away tries again
OPENING_LIMIT = 20.0  # seconds until an opening counts as failed
NOTHING: Memo = {}


class Life(Enum):
    """Where a viewer is in its life."""

    NEW = "new"
    OPENING = "opening"
    LIVE = "live"
    GONE = "gone"


class Viewer(Connection):
    """One simulated viewer."""

    __slots__ = (
        "asleep",
        "audited",
        "backlog",
        "life",
        "memo",
        "numbering",
        "room",
        "started",
        "track",
        "unmeasured",
    )

    def __init__(self, crew: Crew, number: int, room: Room, slow: bool, audited: bool) -> None:
        super().__init__(crew, number)
        self.room = room
        self.slow = slow
        self.audited = audited  # read whole and check every frame, though its bytes are known
        self.unmeasured = slow  # a viewer that did not read says nothing about latency
        self.asleep = False
        self.backlog: list[tuple[int, int]] = []  # post and due, while the viewer is away
        self.life = Life.NEW
        self.track = Track(crew.ledger.tally)
        self.memo = NOTHING
        self.numbering = Numbering()
        self.started = 0

    def open(self) -> None:
        """Come in, or come back in."""
        self.life = Life.OPENING
        self.started = monotonic_ns()
        self.connect()

    def post(self, number: int, due: int) -> None:
        """Send a comment, or keep it until the viewer is back, as a page does.

        Its lateness counts.
        """
        if self.life is not Life.LIVE:
            self.backlog.append((number, due))
            self.crew.held += 1
        elif not self.send_post(number, due):
            self.crew.ledger.tally.unsent += 1

    def post_backlog(self) -> None:
        """Send what waited; to be called when the viewer is in."""
        backlog, self.backlog = self.backlog, []
        self.crew.held -= len(backlog)
        for number, due in backlog:
            self.post(number, due)

    def send_post(self, number: int, due: int) -> bool:
        """False when it cannot be sent."""
        raise NotImplementedError

    def drop(self) -> None:
        """Leave as a browser does that reloads its page."""
        raise NotImplementedError

    def wake(self) -> None:
        """A slow viewer reads again.

        Now it gets what it missed, a skip, or the news that it was closed.
        """
        if self.asleep:
            self.asleep = False
            self.resume_reading()

    def settled(self, head: int) -> bool:
        """True when there is nothing to wait for: it reached `head`, or it is gone."""
        return self.life is not Life.LIVE or self.track.seq >= head

    def number_by(self, epoch: str) -> None:
        """Follow the numbering of an epoch from here on."""
        self.numbering = self.room.numbering(epoch)
        self.memo = NOTHING if self.audited or self.unmeasured else self.numbering.memo

    def enter(
        self, epoch: str, seq: int, recovered: bool | None, reason: str | None, entries: list[Entry]
    ) -> None:
        """The server let the viewer in (again) at `seq`."""
        ledger, track = self.crew.ledger, self.track
        moment = monotonic_ns()
        if track.joined < 0:
            track.join(epoch, seq)
            ledger.tally.opened += 1
            ledger.connects.record(moment - self.started)
        else:
            self.come_back(epoch, seq, recovered, reason, entries)
            ledger.tally.reopened += 1
            ledger.reconnects.record(moment - self.started)
        self.number_by(epoch)
        self.numbering.head = max(self.numbering.head, seq)
        ledger.joins.append(moment)
        self.life = Life.LIVE
        if self.slow:
            self.asleep = True
            self.stop_reading()
        self.post_backlog()

    def come_back(
        self, epoch: str, seq: int, recovered: bool | None, reason: str | None, entries: list[Entry]
    ) -> None:
        """Take what a resume brings: it is delivered, but its latency is the drop's own."""
        track, ledger = self.track, self.crew.ledger
        if recovered and epoch == track.epoch:
            batch = read_batch(b"", epoch, track.seq + 1, seq, 0, entries, self.crew.run)
            self.room.numbering(epoch).enter(batch)
            if track.advance(batch.first, batch.last):
                ledger.count(batch, 1)
                ledger.tally.resumed += batch.count
                ledger.timeline.find_tick(monotonic_ns()).delivered += batch.count
            return
        ledger.tally.unrecovered[reason or "no reason given"] += 1
        if epoch == track.epoch:
            self.skip(track.seq + 1, seq)
        else:
            track.join(epoch, seq)

    def skip(self, first: int, last: int) -> None:
        """The server left `first..last` out, and said so."""
        self.track.skip(first, last)
        self.numbering.left_out.append((first, last))

    def take_batch(
        self, data: bytes, epoch: str, first: int, last: int, thinned: int, entries: list[Entry]
    ) -> None:
        """Take a batch that is the first of its kind in this process, or out of turn."""
        tally, track = self.crew.ledger.tally, self.track
        if epoch != track.epoch:
            tally.violations["a batch of another epoch"] += 1
            return
        batch = read_batch(data, epoch, first, last, thinned, entries, self.crew.run)
        if self.audited:
            tally.checked += len(entries)
            self.numbering.enter(batch)
        known: Batch = self.numbering.remember(batch)
        if not track.advance(first, last):
            tally.received_bytes += len(data)
        elif self.unmeasured:
            self.crew.ledger.count(batch, 1)
            tally.received_bytes += len(data)
        else:
            known.receipts.append(monotonic_ns())

    def ended(self, reason: str) -> None:
        """Gone before it was in.

        Failed (in a storm: tries again). Gone while it was in: closed, and it stays so.
        """
        self.note_end(reason)

    def note_end(self, reason: str) -> None:
        """See `ended`."""
        tally = self.crew.ledger.tally
        if self.life is Life.OPENING:
            tally.failed[reason] += 1
            if self.track.joined >= 0:
                self.crew.loop.call_in(RETRY_SECONDS, self.open_again)
                return
        elif self.life is Life.LIVE:
            tally.closed[reason] += 1
            tally.slow_closed += self.slow
            self.crew.left += 1
        self.life = Life.GONE
        self.crew.held -= len(self.backlog)
        tally.unsent += len(self.backlog)
        self.backlog.clear()

    def open_again(self) -> None:
        """Try again, unless something else happened meanwhile."""
        if self.life is Life.OPENING and self.socket is None:
            self.open()

    def check_opening(self, moment: int) -> None:
        """Give an opening up that takes too long."""
        if (
            self.life is Life.OPENING
            and self.socket is not None
            and moment - self.started > OPENING_LIMIT * 1e9
        ):
            self.fail(f"no answer in {OPENING_LIMIT:.0f} s")

    def leave(self) -> None:
        """The test is over."""
        if self.life is Life.LIVE:
            self.drop()
        self.close()
        self.life = Life.GONE
