"""The rules for a server's log, which the tests check wherever they start a server."""

from __future__ import annotations

import io

import pytest

from tests.support.server_log import ServerLog

TOKEN = "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl"
LINE = "2026-01-31 12:00:0{} INFO chat.web.callers: refused a host: {}\n"


def read(*starts: str) -> ServerLog:
    log = ServerLog()
    for start in starts:
        log.read(io.BytesIO(start.encode(errors="surrogateescape")))
    return log


@pytest.mark.parametrize(
    "text",
    [
        LINE.format("0,000", "one") + LINE.format("0,499", "another"),
        LINE.format("0,000", f"?token={TOKEN}"),
        LINE.format("0,000", TOKEN[:20]),
        LINE.format("0,000", "the secret"),
        LINE.format("0,000", "said a comment here"),
        LINE.format("0,000", "one\rtwo"),
        LINE.format("0,000", "\x1b[31mred"),
        LINE.format("0,000", "\udcff"),
    ],
)
def test_line_that_breaks_a_rule_is_found(text: str) -> None:
    with pytest.raises(AssertionError):
        read(text).check(["the secret"], ["a comment here"])


def test_lines_of_other_kinds_and_starts_and_of_other_seconds_are_no_fault() -> None:
    one, later = LINE.format("0,000", "one"), LINE.format("1,000", "another")
    other = one.replace("a host", "a page")
    log = read(one + other + later, one)
    log.check(["the secret"], ["one", "a comment here"])
    assert log.lines == [line.strip() for line in (one, other, later, one)]


def test_warning_is_unexpected_until_it_is_taken() -> None:
    log = read(LINE.format("0,000", "one").replace("INFO", "WARNING"))
    assert log.unexpected == log.lines
    assert log.take("refused a host: one", is_running=False) == log.lines
    assert log.unexpected == []
    with pytest.raises(AssertionError, match="no line matches 'absent'"):
        log.take("absent", is_running=False)
