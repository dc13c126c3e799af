"""examples/tornado_basics.py: which handlers hold up everybody else, and which do not.

Seen from outside: a slow address is asked, and then ``/`` again and again. Where the loop is free,
``/`` is also asked and answered in the second half of the wait; where it is blocked, it cannot be.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from select import select

import pytest

from tests.serving import ROOT

WAIT = 1.0
PATIENCE = 20


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Where the example runs, with shorter waits than a person would want."""
    program = [sys.executable, str(ROOT / "examples" / "tornado_basics.py")]
    with subprocess.Popen(
        [*program, "--port", "0", "--wait", str(WAIT)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        found = re.search(r":(\d+)/", process.stdout.readline())
        assert found
        yield int(found[1])
        process.terminate()


def send(port: int, path: str) -> HTTPConnection:
    """Ask, and do not wait for the answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", path)
    return connection


def read(connection: HTTPConnection) -> str:
    """Wait for the answer."""
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def has_answered(connection: HTTPConnection) -> bool:
    return bool(select([connection.sock], [], [], 0)[0])


def is_front_page_free(port: int, since: float, is_over: Callable[[], bool]) -> bool:
    """Ask ``/`` until something is over: was it free in the second half of the wait?"""
    is_free = False
    while True:
        asked = time.monotonic()
        read(send(port, "/"))
        if is_over():
            return is_free
        is_free |= asked > since + WAIT / 2


def ask_beside_front_page(port: int, path: str) -> tuple[str, float, bool]:
    """Return the answer of a path, how long it took, and whether ``/`` was free meanwhile."""
    since = time.monotonic()
    slow = send(port, path)
    is_free = is_front_page_free(port, since, lambda: has_answered(slow))
    took = time.monotonic() - since
    return read(slow), took, is_free


def test_front_page_shows_date_and_time(port: int) -> None:
    assert re.fullmatch(r"It is \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\n", read(send(port, "/")))


def test_sync_handler_blocks_everybody(port: int) -> None:
    text, took, is_free = ask_beside_front_page(port, "/sync")
    assert text.startswith("Hello")
    assert took >= WAIT
    assert not is_free


@pytest.mark.parametrize("path", ["/async", "/executor", "/fetch"])
def test_handler_that_awaits_blocks_nobody(port: int, path: str) -> None:
    text, took, is_free = ask_beside_front_page(port, path)
    assert "Hello" in text
    assert took >= WAIT
    assert is_free


def test_parallel_waits_take_as_long_as_one_and_block_nobody(port: int) -> None:
    _, took, is_free = ask_beside_front_page(port, "/parallel")
    assert WAIT <= took < 3 * WAIT
    assert is_free


def test_background_task_goes_on_after_its_answer_and_blocks_nobody(port: int) -> None:
    since = time.monotonic()
    assert read(send(port, "/background")) == "The job has begun.\n"
    assert read(send(port, "/background")) == "The job is at work.\n"
    is_free = is_front_page_free(
        port, since, lambda: read(send(port, "/background")) == "The job is done.\n"
    )
    assert time.monotonic() - since >= WAIT
    assert is_free
