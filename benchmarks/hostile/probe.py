"""Measures how late a server's event loop is: the time that `GET /healthz` takes, again and again.

The answer needs no disk and no other thread, so what it takes beyond a millisecond is the time in
which the loop did something else.
"""

from __future__ import annotations

import http.client
import threading
import time
from types import TracebackType

INTERVAL_SECONDS = 0.02
TIMEOUT_SECONDS = 20.0


class Probe(threading.Thread):
    """Asks over one connection until its `with` block is left, at the earliest after an answer.

    While an answer is late no other request is sent, but those that were due count: each with the
    time until the late answer (otherwise one standstill would be a single sample).
    """

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._stopping = threading.Event()
        self.seconds: list[float] = []
        self.failures = 0

    def __enter__(self) -> Probe:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self.join()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        while not self._stopping.is_set():
            asked = time.monotonic()
            try:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                self.failures += 1
                connection.close()
            waited = time.monotonic() - asked
            while waited > 0:
                self.seconds.append(waited)
                waited -= INTERVAL_SECONDS
            self._stopping.wait(max(0.0, asked + INTERVAL_SECONDS - time.monotonic()))
        connection.close()

    @property
    def p99_ms(self) -> float:
        """The 99th percentile, in milliseconds."""
        return 1000 * sorted(self.seconds)[int(len(self.seconds) * 0.99)]

    @property
    def worst_ms(self) -> float:
        """The longest, in milliseconds."""
        return 1000 * max(self.seconds)
