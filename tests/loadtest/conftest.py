"""The stub server as a fixture.

A process of its own, so that its faults and its CPU are not the tester's.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.server_process import ROOT

STUB = [sys.executable, "-m", "tests.loadtest.stub_server"]


@pytest.fixture
def start_stub() -> Iterator[Callable[[str], str]]:
    """Start a stub with a fault; returns the address of its room `demo`."""
    started = []

    def start(fault: str = "none") -> str:
        stub = subprocess.Popen(
            [*STUB, fault], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(stub)
        assert stub.stdout is not None
        return f"ws://127.0.0.1:{int(stub.stdout.readline())}/ws/demo"

    yield start
    for stub in started:
        assert stub.stdin is not None
        assert stub.stdout is not None
        stub.stdin.close()
        stub.stdout.close()
        stub.wait(timeout=10)
