"""Disconnects peers that do not read their HTTP responses.

Tornado bounds the time for reading a request, but not for writing the response.
"""

from __future__ import annotations

import asyncio

from tornado.iostream import IOStream

from chat.environment import SYSTEM_CLOCK, Clock
from chat.metrics import Metrics

RESPONSE_SECONDS = 15.0


class PendingResponses:
    """The writes of responses that the kernel has not accepted yet, each with its deadline.

    A long response is many writes, so a slow peer that makes progress is not disconnected.
    """

    def __init__(
        self, metrics: Metrics, seconds: float = RESPONSE_SECONDS, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._metrics = metrics
        self._seconds = seconds
        self._clock = clock
        self._streams: dict[asyncio.Future[None], tuple[IOStream, float]] = {}
        metrics.watch(
            "danmaku_pending_answers",
            "HTTP responses that wait for their peer to read them",
            lambda: len(self._streams),
        )

    def watch(self, stream: IOStream, written: asyncio.Future[None]) -> None:
        """Disconnect the peer if ``written`` is not done in time."""
        if not written.done():
            self._streams[written] = stream, self._clock.monotonic() + self._seconds
            written.add_done_callback(self._forget)

    def _forget(self, written: asyncio.Future[None]) -> None:
        self._streams.pop(written, None)
        if not written.cancelled():
            written.exception()  # retrieved, or asyncio would log it

    def sweep(self, now: float) -> None:
        """Close the streams whose deadline has passed."""
        for written, (stream, due) in list(self._streams.items()):
            if due <= now:
                self._streams.pop(written, None)
                self._metrics.unread_answers.inc()
                stream.close()
