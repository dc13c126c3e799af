"""A viewer that asks again and again.

Long polling (the server answers when there is something) or short polling. It speaks as much
HTTP/1.1 as the room's entries need: keep-alive, Content-Length, no chunks. A viewer that posts
opens a second connection for that, as a browser does, since the first may be waiting for an answer.
"""

from __future__ import annotations

import random
from collections import deque
from time import monotonic_ns
from typing import NamedTuple

import msgspec

from chat.loadtest.connection import Connection, Crew
from chat.loadtest.frames import FRAME_LIMIT
from chat.loadtest.ledger import Room
from chat.loadtest.messages import UNREADABLE, decode_page, decode_posted
from chat.loadtest.plan import write_text
from chat.loadtest.viewer import NOTHING, Life, Viewer

LONG_WAIT = 25  # seconds a long poll may wait for news
PAGE_LIMIT = 300  # entries an answer may bring
RETRY_SECONDS = 0.5  # after an answer that was none
QUEUE_LIMIT = 32  # posts of one viewer that wait for the answer to the one before
encode = msgspec.json.Encoder().encode


class Reply(NamedTuple):
    """Where one whole HTTP answer lies in the bytes received."""

    status: int
    start: int  # of the body
    end: int


def read_reply(data: bytes) -> Reply | None:
    """None while the answer is not whole.

    Raises ValueError for what is no answer of a known length.
    """
    start = data.find(b"\r\n\r\n") + 4
    if start < 4:
        return None
    status = int(data[9:12])
    if status in (204, 304):
        return Reply(status, start, start)
    label = data.find(b"Content-Length: ", 0, start)
    if label < 0:
        raise ValueError("an HTTP answer without Content-Length")
    length = int(data[label + 16 : data.find(b"\r", label)])
    if length > FRAME_LIMIT:
        raise ValueError("an HTTP answer without bounds")
    return Reply(status, start, start + length) if start + length <= len(data) else None


class HttpConnection(Connection):
    """Takes answers apart; what they mean is for others."""

    __slots__ = ()

    def received(self, data: bytes) -> None:
        """Put an answer together from its pieces."""
        if self.rest:
            data = self.rest + data
        try:
            reply = read_reply(data)
        except ValueError as problem:
            self.crew.ledger.tally.violations[str(problem)] += 1
            self.fail("closed by the tester: protocol error")
            return
        if reply is None:
            self.rest = data
            return
        self.rest = data[reply.end :]
        self.crew.ledger.tally.received_bytes += reply.start
        self.replied(reply, data)

    def replied(self, reply: Reply, data: bytes) -> None:
        """Handle a whole answer that lies in `data`."""
        raise NotImplementedError


class PollingViewer(Viewer, HttpConnection):
    """Follows its room by asking for the entries after its place."""

    __slots__ = ("before", "behind", "poster", "waiting")

    def __init__(self, crew: Crew, number: int, room: Room, slow: bool, audited: bool) -> None:
        super().__init__(crew, number, room, slow, audited)
        self.poster: Poster | None = None
        self.waiting = False  # a request is on its way
        target = crew.options.target
        self.before = f"GET {target.prefix}/api/rooms/{room.name}/entries?"
        self.behind = f" HTTP/1.1\r\nHost: {target.authority}\r\n\r\n"

    def connected(self) -> None:
        """Ask for the first time on this connection."""
        self.poll()

    def poll(self) -> None:
        """Ask for what comes after the viewer's place, or where the room stands."""
        if self.socket is None or self.waiting:
            return
        self.waiting = True
        options = self.crew.options
        if self.track.joined < 0:
            query = f"limit={max(1, options.history)}"
        else:
            # Who comes back asks what it missed, and waits for more only then.
            waits = options.transport == "long-poll" and self.life is Life.LIVE
            query = f"after={self.track.cursor}&wait={LONG_WAIT if waits else 0}&limit={PAGE_LIMIT}"
        self.send((self.before + query + self.behind).encode())
        if self.asleep:
            self.stop_reading()

    def replied(self, reply: Reply, data: bytes) -> None:
        """Take the entries, known by their bytes or read anew."""
        self.waiting = False
        if reply.status != 200:
            self.crew.ledger.tally.failed[f"HTTP {reply.status}"] += 1
            self.crew.loop.call_in(RETRY_SECONDS, self.poll)
            return
        length = reply.end - reply.start
        for batch in self.memo.get(self.track.seq + 1, ()):
            if len(batch.data) == length and data.startswith(batch.data, reply.start):
                batch.receipts.append(monotonic_ns())
                self.track.seq = batch.last
                more = batch.count >= PAGE_LIMIT
                break
        else:
            more = self.take_page(data[reply.start : reply.end])
        self.poll_again(more)

    def poll_again(self, more: bool) -> None:
        """Ask at once, or after the interval of short polling."""
        options, loop = self.crew.options, self.crew.loop
        if self.socket is None:
            return
        if more or options.transport == "long-poll":
            self.poll()
        else:
            loop.call_in(options.poll_interval, self.poll)

    def take_page(self, body: bytes) -> bool:
        """True when there is more to ask for at once."""
        tally, track = self.crew.ledger.tally, self.track
        try:
            page = decode_page(body)
        except UNREADABLE as problem:
            tally.violations[f"a page that cannot be read: {problem}"] += 1
            return False
        first, last = page.first or 0, page.last or 0
        if track.joined < 0 or self.life is Life.OPENING:
            self.come_in(page.epoch, max(page.head, last) if track.joined < 0 else track.seq)
            if track.joined == track.seq and not page.recovered:
                tally.received_bytes += len(body)
                return False
        if page.recovered is False:
            tally.received_bytes += len(body)
            tally.unrecovered[page.reason or "no reason given"] += 1
            if page.epoch == track.epoch:
                self.skip(track.seq + 1, max(page.head, last))
            else:
                track.join(page.epoch, max(page.head, last))
                self.number_by(page.epoch)
        elif page.entries or last > track.seq:
            self.take_batch(body, page.epoch, first, last, page.thinned, page.entries)
        else:
            tally.received_bytes += len(body)
        return last < page.head

    def come_in(self, epoch: str, seq: int) -> None:
        """The first answer on a new connection.

        What a return missed comes with the polls, as batches, late as it is.
        """
        if self.track.joined < 0:
            self.enter(epoch, seq, None, None, [])
        else:
            ledger = self.crew.ledger
            ledger.tally.reopened += 1
            ledger.reconnects.record(monotonic_ns() - self.started)
            ledger.joins.append(monotonic_ns())
            self.life = Life.LIVE
            self.post_backlog()

    def ended(self, reason: str) -> None:
        """A keep-alive connection may end between two requests; the next one opens a new one."""
        self.waiting = False
        if self.life is Life.LIVE and reason.startswith("ended without"):
            self.crew.ledger.tally.closed["keep-alive ended, reopened"] += 1
            self.crew.loop.call_in(random.random() * RETRY_SECONDS, self.connect_again)
            return
        self.note_end(reason)

    def connect_again(self) -> None:
        """Open the connection that ended between two requests."""
        if self.life is Life.LIVE and self.socket is None:
            self.connect()

    def send_post(self, number: int, due: int) -> bool:
        """Post by a second connection."""
        if self.poster is None:
            self.poster = Poster(self.crew, self.number, self.room)
        return self.poster.post(number, due)

    def drop(self) -> None:
        """Leave; a poller has nobody to tell."""
        self.close()
        self.waiting = False
        self.memo = NOTHING if self.audited or self.unmeasured else self.numbering.memo
        self.life = Life.NEW

    def leave(self) -> None:
        """End both connections."""
        super().leave()
        if self.poster is not None:
            self.poster.close()


class Poster(HttpConnection):
    """Posts what one polling viewer says, one at a time, so that its comments keep their order."""

    __slots__ = ("asked", "queue", "room", "up")

    def __init__(self, crew: Crew, number: int, room: Room) -> None:
        super().__init__(crew, number)
        self.room = room
        self.queue: deque[tuple[int, int]] = (
            deque()
        )  # post and due; the first one may be asked already
        self.asked = False
        self.up = False

    def post(self, number: int, due: int) -> bool:
        """Post when the ones before are answered; False when too many wait."""
        if len(self.queue) >= QUEUE_LIMIT:
            return False
        self.queue.append((number, due))
        self.crew.ledger.note_post(number, due, self.number, monotonic_ns())
        if self.socket is None:
            self.connect()
        else:
            self.ask()
        return True

    def connected(self) -> None:
        """Post what waits."""
        self.up = True
        self.ask()

    def ask(self) -> None:
        """Send the next post, if none is under way."""
        if not self.queue or not self.up or self.asked:
            return
        self.asked = True
        number, due = self.queue[0]
        options, run = self.crew.options, self.crew.run
        body = encode({"ref": f"{run}-{number}", "text": write_text(run, number, due)})
        head = (
            f"POST {options.target.prefix}/api/rooms/{self.room.name}/comments HTTP/1.1\r\n"
            f"Host: {options.target.authority}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self.send(head.encode() + body)

    def replied(self, reply: Reply, data: bytes) -> None:
        """Note the answer, and post the next."""
        self.asked = False
        number, _ = self.queue.popleft()
        ledger = self.crew.ledger
        try:
            posted = decode_posted(data[reply.start : reply.end])
        except UNREADABLE:
            posted = None
        if posted and reply.status in (200, 201):
            ledger.note_ack(self.room, number, posted.epoch, posted.seq, posted.dup, monotonic_ns())
        else:
            code = str(posted.error.code) if posted and posted.error else ""
            ledger.note_rejection(number, code or f"HTTP {reply.status}")
        self.ask()

    def ended(self, reason: str) -> None:
        """Give up the post under way; those behind it go over a new connection."""
        self.up = False
        if self.asked:
            self.asked = False
            self.queue.popleft()
        if self.queue:
            self.crew.loop.call_in(RETRY_SECONDS, self.connect_again)

    def connect_again(self) -> None:
        """Go on after the connection ended."""
        if self.queue and self.socket is None:
            self.connect()
