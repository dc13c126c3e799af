"""examples/tornado_basics.py: which handlers block the event loop, and which do not.

Seen from outside: a slow address is asked, and then ``/`` again and again. Where the loop is free,
``/`` is also asked and answered in the second half of the wait; where it is blocked, it cannot be.
What is possible shows in one of a few attempts, since a machine that is busy may hide it in some.
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

from tests.support.server_process import ROOT

WAIT = 1.0
PATIENCE = 20
ATTEMPTS = 5


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
    assert took >= WAIT
    return read(slow), took, is_free


def attempt(port: int, path: str) -> Iterator[tuple[str, float, bool]]:
    return (ask_beside_front_page(port, path) for _ in range(ATTEMPTS))


def test_front_page_shows_date_and_time(port: int) -> None:
    assert re.fullmatch(r"It is \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\n", read(send(port, "/")))


def test_sync_handler_blocks_everybody(port: int) -> None:
    text, _, is_free = ask_beside_front_page(port, "/sync")
    assert text.startswith("Hello")
    assert not is_free


@pytest.mark.parametrize("path", ["/async", "/executor", "/fetch"])
def test_handler_that_awaits_blocks_no_other_request(port: int, path: str) -> None:
    assert any("Hello" in text and is_free for text, _, is_free in attempt(port, path))


def test_parallel_waits_take_as_long_as_one_and_block_no_other_request(port: int) -> None:
    assert any(took < 3 * WAIT and is_free for _, took, is_free in attempt(port, "/parallel"))


def test_background_task_continues_after_the_response_and_blocks_no_other_request(
    port: int,
) -> None:
    def is_front_page_free_beside_job() -> bool:
        since = time.monotonic()
        assert read(send(port, "/background")) == "The job has started.\n"
        if (body := read(send(port, "/background"))) == "The job is done.\n":
            return False  # it took as long as the job to ask
        assert body == "The job is running.\n"
        is_free = is_front_page_free(
            port, since, lambda: read(send(port, "/background")) == "The job is done.\n"
        )
        assert time.monotonic() - since >= WAIT
        return is_free

    assert any(is_front_page_free_beside_job() for _ in range(ATTEMPTS))
