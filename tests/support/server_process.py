"""A real server in a process of its own, as its users start it."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import re
import resource
import signal
import sqlite3
import ssl
import subprocess
import sys
import threading
from pathlib import Path

from tests.support.certificates import Certificate
from tests.support.server_log import ServerLog

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 20
STOP_SECONDS = 10


class ServerProcess:
    """``python server.py`` on a free port; the same port again after ``restart``.

    At ``close`` the log is checked: a warning or worse fails the test, unless it expects it with
    ``take_log``, and so do a secret, a text of a comment, a control character, and more than a line
    a second of a kind. ``wrapper`` is a command that starts the program which is its last argument.
    """

    def __init__(
        self,
        database: Path,
        *flags: str,
        environment: dict[str, str] | None = None,
        open_files: int | None = None,
        certificate: Certificate | None = None,
        wrapper: list[str] | None = None,
    ) -> None:
        self.database = database
        self.flags = flags
        self.environment = environment or {}
        self.open_files = open_files
        self.certificate = certificate
        self.wrapper = wrapper or []
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._readers: list[threading.Thread] = []
        self._log = ServerLog()

    @property
    def url(self) -> str:
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"{'wss' if self.certificate else 'ws'}://127.0.0.1:{self.port}"

    @property
    def trust(self) -> ssl.SSLContext | None:
        """What a viewer over TLS trusts; None when it is not served over TLS."""
        return self.certificate and self.certificate.trust

    def start(self) -> ServerProcess:
        command = [*self.wrapper, sys.executable, str(ROOT / "server.py")]
        command += ["--port", str(self.port)]
        command += ["--database", f"sqlite:///{self.database}", *self.flags]
        if self.certificate:
            command += ["--certfile", str(self.certificate.certfile)]
            command += ["--keyfile", str(self.certificate.keyfile)]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
            preexec_fn=None if self.open_files is None else self._limit,
        )
        self._lines = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read_output, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._log.read, args=(self.process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        line = self._lines.get(timeout=START_SECONDS)
        assert line is not None, "the server did not start:\n" + "\n".join(self.log)
        found = re.search(r":(\d+)/", line)
        assert found, line
        self.port = int(found[1])
        return self

    def _limit(self) -> None:
        assert self.open_files is not None
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.open_files, self.open_files))

    def _read_output(self, stream) -> None:
        for line in stream:
            self._lines.put(line.decode().rstrip())
        self._lines.put(None)

    def send_signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        assert self.process is not None
        code = self.process.wait(STOP_SECONDS)
        for reader in self._readers:
            reader.join(STOP_SECONDS)
        return code

    def stop(self) -> int:
        self.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
        self.wait()

    def restart(self) -> None:
        assert self.stop() == 0
        self.start()

    def read_output(self) -> list[str]:
        """Return what an ended server has printed after its first line."""
        return list(iter(self._lines.get, None))

    @property
    def log(self) -> list[str]:
        """What was read of the log so far; all of it once the server has ended."""
        return self._log.lines

    def take_log(self, pattern: str) -> list[str]:
        """Wait for a line that matches and return all that do; expect them, and later ones."""
        is_running = self.process is not None and self.process.poll() is None
        return self._log.take(pattern, is_running=is_running)

    @property
    def unexpected_log(self) -> list[str]:
        """The warnings and worse that no test expects."""
        return self._log.unexpected

    def close(self) -> None:
        if self.process is None:
            return
        is_running = self.process.poll() is None
        code = self.stop() if is_running else self.wait()
        assert code == 0 or not is_running, "\n".join(self.log)
        assert not self.unexpected_log, "the server logged:\n" + "\n".join(self.log)
        self._log.check(self._read_secrets(), self._read_texts())

    def _read_secrets(self) -> list[str]:
        """Return what signs the tokens of this server: given by a flag, or generated."""
        given = [
            secret
            for flag, value in itertools.pairwise(self.flags)
            if flag == "--secret"
            for secret in value.split(",")
        ]
        file = Path(f"{self.database}.secret")
        return [*given, file.read_text().strip()] if file.exists() else given

    def _read_texts(self) -> list[str]:
        """Return the texts of the comments; none if a test has damaged the database."""
        if not self.database.exists():
            return []
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(self.database)) as archive,
        ):
            found = archive.execute("SELECT json_extract(body, '$.text') FROM entries")
            return [text for (text,) in found if text]
        return []
