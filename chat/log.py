"""The server's log: no peer can fill it, or forge a line in it.

At most one line a second of a kind is written; the next one has the number of those left out.
Control characters are escaped. Tornado's warnings about broken sockets are logged at level INFO:
peers cause them, and a metric counts them.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

KIND_SECONDS = 1.0
MAX_KINDS = 1_000
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROLS_OF_TRACEBACKS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def escape(text: str) -> str:
    """Return a text with its control characters as escapes, on one line."""
    return _CONTROLS.sub(_escape_match, text)


def _escape_match(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")


class EscapingFormatter(logging.Formatter):
    """Writes each message on one line, whatever is in it."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the base class
        """Return the line without its traceback."""
        record.message = escape(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802 - of the base class
        """Return the traceback, whose lines are its own."""
        text = super().formatException(ei)  # type: ignore[arg-type]
        return _CONTROLS_OF_TRACEBACKS.sub(_escape_match, text)


class OncePerSecond(logging.Filter):
    """Lets one line of a kind pass each second; a kind is a logger, a level and a template."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        # When the last line of a kind was written, and how many were left out since.
        self._kinds: dict[tuple[str, int, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write a line."""
        kind = (record.name, record.levelno, record.msg)
        now = self._clock()
        written_at, left_out = self._kinds.get(kind, (now - KIND_SECONDS, 0))
        if now - written_at < KIND_SECONDS:
            self._kinds[kind] = written_at, left_out + 1
            return False
        if len(self._kinds) >= MAX_KINDS:
            self._kinds.clear()
        self._kinds[kind] = now, 0
        if left_out:
            record.msg = f"{record.getMessage()} ({left_out} more like this)"
            record.args = None
        return True


def soften_peer_errors(record: logging.LogRecord) -> bool:
    """Lower Tornado's warnings about broken sockets to INFO, without a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None and not isinstance(error, OSError):
        return True
    record.exc_info = None
    if error is not None:
        record.msg, record.args = "%s (%s)", (record.getMessage(), error)
    record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
    # Tornado formats some messages itself; all of those are of one kind.
    if not record.args:
        record.msg, record.args = "%s", (record.msg,)
    return True


def configure_logging() -> None:
    """Log to stderr from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(EscapingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(OncePerSecond())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Malformed requests are rejected and counted, not logged.
    general = logging.getLogger("tornado.general")
    general.setLevel(logging.WARNING)
    general.addFilter(soften_peer_errors)
