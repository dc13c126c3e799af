"""The log: what peers send cannot fill it or forge a line of it."""

from __future__ import annotations

import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.log import EscapingFormatter, OncePerSecond, escape, soften_peer_errors


class Log:
    """A logger of its own, and what it has written."""

    def __init__(self) -> None:
        self.now = 0.0
        self._stream = io.StringIO()
        handler = logging.StreamHandler(self._stream)
        handler.setFormatter(EscapingFormatter("%(levelname)s %(message)s"))
        handler.addFilter(OncePerSecond(lambda: self.now))
        self.logger = logging.Logger("peer")
        self.logger.addHandler(handler)

    @property
    def lines(self) -> list[str]:
        return self._stream.getvalue().splitlines()


@pytest.fixture
def log() -> Log:
    return Log()


def test_one_line_a_second_of_a_kind_is_logged_with_the_number_of_omitted_ones(log: Log) -> None:
    for number in range(50):
        log.logger.warning("peer %d broke", number)
        log.logger.warning("another kind")
    assert log.lines == ["WARNING peer 0 broke", "WARNING another kind"]
    log.now = 1.0
    log.logger.warning("peer %d broke", 50)
    assert log.lines[2:] == ["WARNING peer 50 broke (49 more like this)"]
    log.now = 2.5
    log.logger.warning("peer %d broke", 51)
    assert log.lines[3:] == ["WARNING peer 51 broke"]


def test_what_a_peer_sent_cannot_begin_a_line_or_color_a_terminal(log: Log) -> None:
    log.logger.error("%s failed", "/a\n2026 ERROR forged\r\x1b[31m\u2028\x85")
    assert log.lines == [r"ERROR /a\n2026 ERROR forged\r\x1b[31m\u2028\x85 failed"]


def test_what_a_peer_sent_cannot_forge_in_a_traceback_either(log: Log) -> None:
    try:
        raise ValueError("\x1b[31m\r")
    except ValueError:
        log.logger.exception("failed")
    assert log.lines[-1] == r"ValueError: \x1b[31m\r"


@given(st.text())
def test_escaped_text_is_one_printable_line(text: str) -> None:
    assert len(f"x{escape(text)}".splitlines()) == 1
    escape(text).encode()


def test_broken_socket_is_information_without_a_traceback(log: Log) -> None:
    log.logger.addFilter(soften_peer_errors)
    for error in (OSError("reset"), ConnectionError("gone")):
        try:
            raise error
        except OSError:
            log.logger.exception("Uncaught exception, closing connection.")
    log.logger.warning("error on read: tls")  # Tornado formats this one itself
    assert log.lines == [
        "INFO Uncaught exception, closing connection. (reset)",
        "INFO error on read: tls",
    ]


def test_server_error_is_logged_with_its_traceback(log: Log) -> None:
    log.logger.addFilter(soften_peer_errors)
    try:
        raise ValueError("a bug")
    except ValueError:
        log.logger.exception("Uncaught exception")
    assert log.lines[0] == "ERROR Uncaught exception"
    assert log.lines[-1] == "ValueError: a bug"
