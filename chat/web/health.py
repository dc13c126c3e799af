"""Endpoints for operators and monitoring: liveness, readiness and metrics."""

from __future__ import annotations

from chat.core.reject import Code, reject
from chat.web.handler import Handler, Refused


class ProbeHandler(Handler):
    """The base of the probes; monitoring requests them by IP address, so any host is allowed."""

    def prepare(self) -> None:
        """Skip the check of the host."""


class Health(ProbeHandler):
    """``GET /healthz``: the process responds."""

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("ok\n")


class Ready(ProbeHandler):
    """``GET /readyz``: new viewers may be sent here."""

    def get(self) -> None:
        """Respond 200, or 503 while the server stops, or while it cannot store comments."""
        if self.services.hub.is_stopping:
            raise Refused(reject(Code.RESTARTING, retry_after=1))
        if not self.services.hub.is_healthy:
            raise Refused(reject(Code.NOT_KEPT, retry_after=1))
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("ready\n")


class MetricsPage(Handler):
    """``GET /metrics``: the metrics, in Prometheus' text format."""

    async def prepare(self) -> None:
        """Refuse hosts that are not allowed, and addresses that request too much."""
        await self.admit_page()

    def get(self) -> None:
        self.set_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.finish(self.services.metrics.render())
