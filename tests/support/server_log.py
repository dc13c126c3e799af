"""A server's log, which a thread reads: what it contains, and the rules that it keeps."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import IO

WAIT_SECONDS = 10
# Shorter texts of comments may be words of the log's own.
TEXT_LENGTH = 10
# Of a kind there is one line a second. Each is dated before it is counted: on a busy machine two
# may be dated closer together.
KIND_INTERVAL = timedelta(seconds=0.5)

_LINE = re.compile(r"(?P<at>[\d-]{10} [\d:]{8},\d{3}) (?P<level>[A-Z]+) (?P<rest>\S+: .*)")
_BAD = re.compile(r"\b(WARNING|ERROR|CRITICAL|Traceback)\b")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TOKEN = re.compile(r"\beyJ[\w-]{8,}")  # all tokens are JWTs, whose head begins with `{"`


class ServerLog:
    """The lines of a server's log, over all its starts."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._starts: list[int] = []
        self._changed = threading.Condition()
        self._expected: list[str] = []

    def read(self, stream: IO[bytes]) -> None:
        """Read the log of another start, to its end."""
        self._starts.append(len(self._lines))
        for line in stream:
            with self._changed:
                self._lines.append(line.removesuffix(b"\n").decode(errors="surrogateescape"))
                self._changed.notify_all()

    @property
    def lines(self) -> list[str]:
        """What was read so far."""
        with self._changed:
            return self._lines.copy()

    def take(self, pattern: str, *, is_running: bool) -> list[str]:
        """Return the lines that match, and expect them; wait for the first of a running server."""
        self._expected.append(pattern)

        def find() -> list[str]:
            return [line for line in self._lines if re.search(pattern, line)]

        with self._changed:
            lines = self._changed.wait_for(find, WAIT_SECONDS if is_running else 0)
            assert lines, f"no line matches {pattern!r}:\n" + "\n".join(self._lines)
        return lines

    @property
    def unexpected(self) -> list[str]:
        """The warnings and worse that no test expects."""
        return [
            line
            for line in self.lines
            if _BAD.search(line) and not any(re.search(pattern, line) for pattern in self._expected)
        ]

    def check(self, secrets: Iterable[str], texts: Iterable[str]) -> None:
        """Assert the rules for a log with these secrets of the server and texts of comments."""
        lines = self.lines
        for start, end in zip(self._starts, [*self._starts[1:], len(lines)], strict=True):
            _check_kinds(lines[start:end])
        private = [*secrets, *(text for text in texts if len(text) >= TEXT_LENGTH)]
        for line in lines:
            assert not _CONTROLS.search(line), f"a control character is logged: {line!r}"
            assert not _TOKEN.search(line), f"a token is logged: {line}"
            for one in private:
                assert one not in line, f"{one!r} is logged: {line}"


def _check_kinds(lines: Iterable[str]) -> None:
    newest: dict[str, tuple[datetime, str]] = {}
    for line in lines:
        if found := _LINE.fullmatch(line):
            at = datetime.strptime(found["at"], "%Y-%m-%d %H:%M:%S,%f")
            kind = found["level"] + " " + _kind_of(found["rest"])
            if kind in newest:
                before, other = newest[kind]
                # The tests may set the clock back.
                passed = at - before
                assert not timedelta(0) <= passed < KIND_INTERVAL, f"{other}\nand {line}"
            newest[kind] = at, line


def _kind_of(logged: str) -> str:
    """Return the logger and the message without its values, which follow a colon or are numbers."""
    logger, _, message = logged.partition(": ")
    return f"{logger}: " + re.sub(r"\d+", "#", message.partition(":")[0])
