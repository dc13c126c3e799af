"""The server's Prometheus metrics: one object per server, with its own registry.

No metric is updated once per viewer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from chat.core.reject import Rejection

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


SHARED_ABOVE_SECONDS = 0.01
SHARED_FACTOR = 10


class Metrics:
    """The metrics; operators rely on their names."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.registry = registry
        self._rendered = b""
        self._fresh_until = 0.0
        self.accepted = Counter(
            "danmaku_comments_accepted", "Comments that were numbered and stored", registry=registry
        )
        self.rejected = Counter(
            "danmaku_rejected",
            "Messages and requests that were rejected",
            ["code"],
            registry=registry,
        )
        self.deliveries = Counter(
            "danmaku_deliveries", "Entries sent to viewers, once per viewer", registry=registry
        )
        self.skipped = Counter(
            "danmaku_skipped", "Entries reported to viewers as skipped", registry=registry
        )
        self.closed = Counter(
            "danmaku_closed", "Connections that the server closed", ["code"], registry=registry
        )
        self.connections_refused = Counter(
            "danmaku_turned_away",
            "Connections refused because file descriptors run out",
            registry=registry,
        )
        self.budget_exceeded = Counter(
            "danmaku_budget_exceeded",
            "Times that a peer exceeded one of its budgets",
            ["budget"],
            registry=registry,
        )
        self.judge_failures = Counter(
            "danmaku_judge_failures",
            "Comments on which the judge gave no verdict",
            registry=registry,
        )
        self.peer_errors = Counter(
            "danmaku_peer_errors",
            "Connections that ended with an error of the socket or of TLS",
            ["kind"],
            registry=registry,
        )
        self.unread_answers = Counter(
            "danmaku_unread_answers",
            "HTTP connections closed because the peer did not read a response",
            registry=registry,
        )
        self.wave_seconds = Histogram(
            "danmaku_wave_seconds",
            "Length of a wave: one pass over a room's viewers",
            buckets=_FAST,
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "danmaku_commit_seconds",
            "Time to commit a batch of comments",
            buckets=_FAST,
            registry=registry,
        )
        self.commit_failures = Counter(
            "danmaku_commit_failures", "Batches that could not be committed", registry=registry
        )
        self.loop_lag_seconds = Histogram(
            "danmaku_loop_lag_seconds",
            "Delay of the event loop's timers",
            buckets=_FAST,
            registry=registry,
        )

    def count_rejection(self, rejection: Rejection) -> Rejection:
        """Count a rejection by its code, and return it."""
        self.rejected.labels(rejection.code).inc()
        return rejection

    def watch(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read at each scrape."""
        Gauge(name, help, registry=self.registry).set_function(read)

    def render(self) -> bytes:
        """Return all metrics in the text format.

        What took long to count, such as ten thousand rooms, is not counted for each request: at
        most a tenth of the time is spent on it, however many ask.
        """
        if time.monotonic() >= self._fresh_until:
            began = time.thread_time()
            self._rendered = generate_latest(self.registry)
            spent = time.thread_time() - began
            if spent >= SHARED_ABOVE_SECONDS:
                self._fresh_until = time.monotonic() + SHARED_FACTOR * spent
        return self._rendered
