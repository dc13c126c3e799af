"""What an operator watches during the show, in Prometheus' terms.

One object a server, with a registry of its own; no metric is touched once per viewer.
"""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class Metrics:
    """The server's metrics; the names are part of what operators rely on."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.registry = registry
        self.accepted = Counter(
            "danmaku_comments_accepted", "Comments that were numbered and kept", registry=registry
        )
        self.rejected = Counter(
            "danmaku_rejected", "Messages and requests refused", ["code"], registry=registry
        )
        self.deliveries = Counter(
            "danmaku_deliveries", "Entries handed to viewers' connections", registry=registry
        )
        self.skipped = Counter(
            "danmaku_skipped", "Entries that viewers were told to have missed", registry=registry
        )
        self.closed = Counter(
            "danmaku_closed", "Connections that the server ended", ["code"], registry=registry
        )
        self.turned_away = Counter(
            "danmaku_turned_away", "Connections closed for want of descriptors", registry=registry
        )
        self.wave_seconds = Histogram(
            "danmaku_wave_seconds",
            "Length of a wave: one pass over a room's viewers",
            buckets=_FAST,
            registry=registry,
        )
        self.commit_seconds = Histogram(
            "danmaku_commit_seconds",
            "Time to make a batch durable",
            buckets=_FAST,
            registry=registry,
        )
        self.commit_failures = Counter(
            "danmaku_commit_failures", "Batches that could not be made durable", registry=registry
        )
        self.loop_lag_seconds = Histogram(
            "danmaku_loop_lag_seconds",
            "How late the event loop runs what is due",
            buckets=_FAST,
            registry=registry,
        )

    def watch(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Add a gauge that is read when somebody asks."""
        Gauge(name, help, registry=self.registry).set_function(read)

    def render(self) -> bytes:
        """Return all metrics in the text format."""
        return generate_latest(self.registry)
