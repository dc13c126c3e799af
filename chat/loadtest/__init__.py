"""The load tester.

Thousands of viewers from one machine, and proof that each got every comment, in order, and when.

`python -m chat.loadtest URL …` for people; for programs:

    url = "ws://127.0.0.1:8888/ws/demo"
    report = chat.loadtest.run(Options(url, viewers=5000, rate=50, duration=10))

Needs psutil for the server's figures, rich for the command line, matplotlib for `--report`. It
judges a server from outside, by the wire alone, and imports nothing of it.
"""

from __future__ import annotations

from chat.loadtest.options import Options, UsageError
from chat.loadtest.report import Report

__all__ = ["Options", "Report", "UsageError", "run"]


def run(options: Options) -> Report:
    """Run one load test, silently, and return its figures.

    Raises UsageError when it cannot start as asked.
    """
    from chat.loadtest.coordinator import Coordinator, Silence

    return Coordinator(options, Silence()).run()
