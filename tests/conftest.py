"""Shared fixtures: real servers, and a room of its own for each test."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
from collections.abc import Callable, Iterator

import hypothesis
import pytest

from tests.support.certificates import Certificate, issue_certificate
from tests.support.server_process import ServerProcess

# Hundreds of processes are started from this checkout: each would compile its modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The time of one example depends on the machine, which two workers share.
hypothesis.settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared machine")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """What a server on loopback is known by that speaks TLS."""
    return issue_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def tls() -> Certificate | None:
    """None: servers are plain. A module whose servers speak TLS has ``certificate`` here."""
    return None


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, tls: Certificate | None
) -> Iterator[ServerProcess]:
    """One server for the tests of a module; each works in a ``room`` of its own."""
    database = tmp_path_factory.mktemp("server") / "danmaku.db"
    # Tests share an address, and so a guest over HTTP; limits have tests of their own.
    flags = ("--post-rate", "0", "--delivery-rate", "0")
    running = ServerProcess(database, *flags, certificate=tls)
    running.start()
    yield running
    running.close()


@pytest.fixture
def start_server(tmp_path, tls) -> Iterator[Callable[..., ServerProcess]]:
    """Start a server with flags of the test's choice, which it may stop, kill and restart."""
    numbers = itertools.count()
    # Closes all of them, also when one fails.
    with contextlib.ExitStack() as started:

        def start(*flags: str, **options) -> ServerProcess:
            database = options.pop("database", tmp_path / f"danmaku-{next(numbers)}.db")
            running = ServerProcess(database, *flags, **{"certificate": tls, **options})
            started.callback(running.close)
            return running.start()

        yield start


@pytest.fixture
def room() -> str:
    return "room-" + secrets.token_hex(4)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Unit tests first: what they find explains what the others would. The browser's last: its
    # driver keeps an event loop running in this thread, and no other can be run beside it.
    order = {
        "unit": 0,
        "in_process": 1,
        "integration": 1,
        "loadtest": 2,
        "simulation": 3,
        "faults": 3,
        "browser": 4,
    }
    items.sort(key=lambda item: order.get(item.path.parent.name, 1))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    # Under CI nothing may be skipped for a part that is missing.
    if (
        os.environ.get("CI")
        and call.excinfo is not None
        and call.excinfo.errisinstance(pytest.skip.Exception)
    ):
        call.excinfo = pytest.ExceptionInfo.from_exc_info(
            (
                AssertionError,
                AssertionError(f"skipped under CI: {call.excinfo.value}"),
                call.excinfo.tb,
            )
        )
