"""The server's certificate: loaded at start, and again when its files have changed.

Programs such as certbot replace certificates every few weeks and do not notify the server.
"""

from __future__ import annotations

import logging
import os
import ssl
from pathlib import Path
from typing import NoReturn

REREAD_SECONDS = 60.0

_log = logging.getLogger(__name__)


class CertificateError(Exception):
    """The certificate cannot be used; the text is one sentence for the operator."""


class Certificate:
    """A certificate and its key, in one file or two; raises CertificateError.

    ``context`` is for new connections. It is replaced, never changed, so that a connection sees one
    certificate with its own key.
    """

    def __init__(self, certfile: str, keyfile: str) -> None:
        self._certfile = certfile
        self._keyfile = keyfile or certfile
        self._state = self._read_state()
        self.context = self._load()

    def reload(self) -> None:
        """Load the files if they have changed since the last call.

        If that fails, the previous certificate stays in use. Logs one line for each change.
        """
        state = self._read_state()
        if state == self._state:
            return
        self._state = state
        try:
            self.context = self._load()
        except CertificateError as error:
            _log.error("%s The previous certificate stays in use.", error)
        else:
            _log.info("loaded the new certificate %s", self._certfile)

    def _read_state(self) -> list[tuple[int, ...] | None]:
        return [_read_state(path) for path in (self._certfile, self._keyfile)]

    def _load(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self._certfile, self._keyfile, password=self._refuse_password)
        except OSError as error:  # SSLError is one
            raise CertificateError(self._explain(error)) from None
        return context

    def _refuse_password(self) -> NoReturn:
        raise CertificateError(
            f"The private key {self._keyfile} is encrypted; store it without a password."
        )

    def _explain(self, error: OSError) -> str:
        try:
            if b"-----BEGIN CERTIFICATE-----" not in Path(self._certfile).read_bytes():
                return f"{self._certfile} contains no certificate in PEM format."
            if b"PRIVATE KEY-----" not in Path(self._keyfile).read_bytes():
                other = "; name its file with --keyfile" if self._keyfile == self._certfile else ""
                return f"{self._keyfile} contains no private key in PEM format{other}."
        except OSError as unreadable:
            return f"{unreadable.filename} cannot be read: {unreadable.strerror}."
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            return f"The private key {self._keyfile} is not that of {self._certfile}."
        return f"{self._certfile} or its private key {self._keyfile} is damaged."


def _read_state(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
