"""What operators and their machines look at: is it alive, is it ready, how is it doing."""

from __future__ import annotations

from chat.core.reject import reject
from chat.web.handler import Handler, Refused


class Health(Handler):
    """``GET /healthz``: the process answers."""

    def get(self) -> None:
        """Say so."""
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("ok\n")


class Ready(Handler):
    """``GET /readyz``: new viewers may be sent here."""

    def get(self) -> None:
        """Say so, or 503 while the server stops."""
        if self.house.hub.is_stopping:
            raise Refused(reject("restarting", retry_after=1))
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("ready\n")


class MetricsPage(Handler):
    """``GET /metrics``: everything that is counted, in Prometheus' text format."""

    def get(self) -> None:
        """Write the metrics."""
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(self.house.metrics.render())
