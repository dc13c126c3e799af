"""The load tester: opens thousands of viewers and checks that each gets every comment in order.

`python -m chat.loadtest URL …` is the command line. From a program:

    url = "ws://127.0.0.1:8888/ws/demo"
    report = chat.loadtest.run(Options(url, viewers=5000, rate=50, duration=10))

It needs the package's extra `loadtest` (rich, psutil). It tests a server over the network only. Of
the server's code it uses `chat.core` (frames, handshake, limits) and `chat.descriptors`.
"""

from __future__ import annotations

from chat.loadtest.options import Options, UsageError
from chat.loadtest.report import Report

__all__ = ["Options", "Report", "UsageError", "run"]


def run(options: Options) -> Report:
    """Run one load test without output, and return its figures.

    Raises UsageError when it cannot start as asked, WorkerLost when a worker process ends early.
    """
    from chat.loadtest.coordinator import Coordinator

    return Coordinator(options).run()
