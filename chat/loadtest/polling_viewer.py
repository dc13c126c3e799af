"""A viewer that polls: long (the server waits until there is something) or short.

It implements the part of HTTP/1.1 that it needs: keep-alive and Content-Length, no chunks. A viewer
that posts opens a second connection, as a browser does, since the first may be waiting for a
response.
"""

from __future__ import annotations

import random
import re
from abc import abstractmethod
from collections import deque
from time import monotonic_ns
from typing import Any

import msgspec

from chat.loadtest.connection import HEAD_LIMIT, MESSAGE_LIMIT, Connection
from chat.loadtest.messages import UNREADABLE, decode
from chat.loadtest.schedule import write_text
from chat.loadtest.viewer import RETRY_SECONDS, Viewer, ViewerState

LONG_POLL_SECONDS = 25
PAGE_LIMIT = 300  # entries a response may bring
QUEUE_LIMIT = 32  # posts of one viewer that wait for the response to the one before
RESPONSE = re.compile(rb"HTTP/1\.[01] (\d{3})")
CONTENT_LENGTH = re.compile(rb"\r\nContent-Length: (\d{1,12})\r", re.IGNORECASE)
encode = msgspec.json.Encoder().encode


class HttpConnection(Connection):
    """Splits the received bytes into responses; subclasses handle them."""

    __slots__ = ()

    def on_data(self, data: bytes) -> None:
        """Wait for a whole response: of a known length, one at a time."""
        data = self.rest + data
        self.rest = data
        start = data.find(b"\r\n\r\n") + 4
        if start < 4:
            if len(data) > HEAD_LIMIT:
                self.fail_protocol("an HTTP response whose head has no end")
            return
        head = RESPONSE.match(data)
        found = CONTENT_LENGTH.search(data, 0, start)
        status, length = int(head[1]) if head else 0, int(found[1]) if found else 0
        if not head or (not found and status not in (204, 304)):
            self.fail_protocol("no HTTP response, or one without Content-Length")
        elif length > MESSAGE_LIMIT:
            self.fail_protocol(f"an HTTP response of {length} bytes")
        elif len(data) >= start + length:
            self.rest = data[start + length :]
            self.waiting = False
            self.context.recorder.counters.received_bytes += start
            self.on_response(status, data[start : start + length])

    @abstractmethod
    def on_response(self, status: int, body: bytes) -> None: ...


class PollingViewer(Viewer, HttpConnection):
    """Follows its room by requesting the entries after its seq."""

    __slots__ = ("headers", "path", "poster")

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.poster: PostConnection | None = None
        target = self.context.options.target
        self.path = f"{target.prefix}/api/rooms/{self.room}"
        self.headers = f" HTTP/1.1\r\nHost: {target.authority}\r\n"

    def on_connect(self) -> None:
        self.poll()

    def poll(self) -> None:
        """Request the entries after the viewer's seq, or the room's last entries."""
        if self.socket is None or self.waiting:
            return
        self.waiting = True
        options = self.context.options
        if self.tracker.joined < 0:
            query = f"limit={max(1, options.history)}"
        else:
            # After a storm it first requests the missed entries, without waiting for new ones.
            is_live = self.state is ViewerState.LIVE
            wait = LONG_POLL_SECONDS if options.transport == "long-poll" and is_live else 0
            query = f"after={self.tracker.cursor}&wait={wait}&limit={PAGE_LIMIT}"
        query += f"&poller={id(self):x}"
        self.send(f"GET {self.path}/entries?{query}{self.headers}\r\n".encode())
        if self.paused:
            self.stop_reading()

    def on_response(self, status: int, body: bytes) -> None:
        """Record the entries, recognised by their bytes or decoded."""
        options, loop = self.context.options, self.context.loop
        if status != 200:
            self.context.recorder.counters.failed[f"HTTP {status}"] += 1
            loop.call_in(RETRY_SECONDS, self.poll)
            return
        for batch in self.batch_cache.get(self.tracker.seq + 1, ()):
            if batch.data == body:
                batch.receipts.append(monotonic_ns())
                self.tracker.seq = batch.last
                has_more = batch.count >= PAGE_LIMIT
                break
        else:
            has_more = self._record_page(body)
        if has_more or options.transport == "long-poll":
            self.poll()
        else:
            loop.call_in(options.poll_interval, self.poll)

    def _record_page(self, body: bytes) -> bool:
        """Record a page of entries; return whether the server has more already."""
        counters, tracker = self.context.recorder.counters, self.tracker
        try:
            page = decode(body)
        except UNREADABLE as problem:
            counters.violations[f"a page that cannot be read: {problem}"] += 1
            return False
        last = page.last or 0
        head = max(page.head, last)
        if tracker.joined < 0:
            self.on_welcome(page, head)
            counters.received_bytes += len(body)
            return False
        if self.state is ViewerState.OPENING:
            # The missed entries arrive with the next polls, as batches.
            self.go_live(False, monotonic_ns())
        if page.recovered is not False and (page.entries or last > tracker.seq):
            self.record_batch(body, page)
        else:
            counters.received_bytes += len(body)
        if page.recovered is False:
            self.join(page, head)
        return last < page.head

    def on_close(self, reason: str) -> None:
        """Connect again when the server closed a keep-alive connection between two requests."""
        self.waiting = False
        if self.state is ViewerState.LIVE and reason.startswith("ended without"):
            self.context.recorder.counters.closed["keep-alive ended, reopened"] += 1
            self.context.loop.call_in(random.random() * RETRY_SECONDS, self._reconnect)
        else:
            super().on_close(reason)

    def _reconnect(self) -> None:
        if self.state is ViewerState.LIVE and self.socket is None:
            self.connect()

    def send_post(self, number: int, due: int) -> bool:
        """Post on a second connection."""
        if self.poster is None:
            self.poster = PostConnection(self)
        return self.poster.post(number, due)

    def disconnect(self) -> None:
        self.close()
        self.waiting = False
        self.state = ViewerState.NEW

    def finish(self) -> None:
        super().finish()
        if self.poster is not None:
            self.poster.close()


class PostConnection(HttpConnection):
    """Posts the comments of one polling viewer, one at a time, so that they keep their order."""

    __slots__ = ("queue", "up", "viewer")

    def __init__(self, viewer: PollingViewer) -> None:
        super().__init__(viewer.context, viewer.number)
        self.viewer = viewer
        self.queue: deque[tuple[int, int]] = deque()  # post, due; the first may be sent already
        self.up = False

    def post(self, number: int, due: int) -> bool:
        """Queue a post until the earlier ones are answered; False if too many are queued."""
        if len(self.queue) >= QUEUE_LIMIT:
            return False
        self.queue.append((number, due))
        self.context.recorder.record_post(number, due, self.number)
        if self.socket is None:
            self.connect()
        else:
            self._send_next()
        return True

    def on_connect(self) -> None:
        self.up = True
        self._send_next()

    def _send_next(self) -> None:
        if not self.queue or not self.up or self.waiting:
            return
        self.waiting = True
        number, due = self.queue[0]
        run, viewer = self.context.run, self.viewer
        body = encode({"ref": f"{run}-{number}", "text": write_text(run, number, due)})
        head = f"POST {viewer.path}/comments{viewer.headers}Content-Type: application/json\r\n"
        self.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

    def on_response(self, status: int, body: bytes) -> None:
        """Record the ack or the rejection, and post the next."""
        if not self.queue:
            self.fail("a response to no request")
            return
        number, _ = self.queue.popleft()
        recorder = self.context.recorder
        try:
            posted = decode(body)
        except UNREADABLE:
            posted = None
        if posted and status in (200, 201):
            recorder.record_ack(self.viewer.room, number, posted)
        else:
            error = posted.error if posted else None
            recorder.record_rejection(number, str(error.code if error else f"HTTP {status}"))
        self._send_next()

    def on_close(self, reason: str) -> None:
        """Give up the post that was sent; those behind it are sent on a new connection."""
        self.up = False
        if self.waiting:
            self.waiting = False
            self.queue.popleft()
        if self.queue:
            self.context.loop.call_in(RETRY_SECONDS, self._reconnect)

    def _reconnect(self) -> None:
        if self.queue and self.socket is None:
            self.connect()
