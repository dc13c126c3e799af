"""A real server in a process of its own, as its users start it."""

from __future__ import annotations

import os
import queue
import re
import resource
import signal
import ssl
import subprocess
import sys
import threading
from pathlib import Path

from tests.support.certificates import Certificate

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 20
STOP_SECONDS = 10
LOG_SECONDS = 10
_BAD = re.compile(r"\b(WARNING|ERROR|CRITICAL|Traceback)\b")


class ServerProcess:
    """``python server.py`` on a free port; the same port again after ``restart``.

    What it logs as a warning or worse fails the test at ``close``, unless the test expects it with
    ``take_log``. ``wrapper`` is a command that starts the program which is its last argument.
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
        self.process: subprocess.Popen[str] | None = None
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._readers: list[threading.Thread] = []
        # What the server has logged, over all its starts; a thread appends, a test waits for it.
        self._log: list[str] = []
        self._log_changed = threading.Condition()
        self._expected: list[str] = []

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
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **self.environment},
            preexec_fn=None if self.open_files is None else self._limit,
        )
        self._lines = queue.Queue()
        self._readers = [
            threading.Thread(target=self._read_output, args=(self.process.stdout,), daemon=True),
            threading.Thread(target=self._read_log, args=(self.process.stderr,), daemon=True),
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
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def _read_log(self, stream) -> None:
        for line in stream:
            with self._log_changed:
                self._log.append(line.rstrip())
                self._log_changed.notify_all()

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
        with self._log_changed:
            return self._log.copy()

    def take_log(self, pattern: str) -> list[str]:
        """Wait for a line that matches and return all that do; expect them, and later ones."""
        self._expected.append(pattern)

        def find() -> list[str]:
            return [line for line in self._log if re.search(pattern, line)]

        is_running = self.process is not None and self.process.poll() is None
        with self._log_changed:
            lines = self._log_changed.wait_for(find, LOG_SECONDS if is_running else 0)
            assert lines, f"no line matches {pattern!r}:\n" + "\n".join(self._log)
        return lines

    @property
    def unexpected_log(self) -> list[str]:
        """The warnings and worse that no test expects."""
        return [
            line
            for line in self.log
            if _BAD.search(line) and not any(re.search(pattern, line) for pattern in self._expected)
        ]

    def close(self) -> None:
        if self.process is None:
            return
        is_running = self.process.poll() is None
        code = self.stop() if is_running else self.wait()
        assert code == 0 or not is_running, "\n".join(self.log)
        assert not self.unexpected_log, "the server logged:\n" + "\n".join(self.log)
