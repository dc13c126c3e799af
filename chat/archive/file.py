"""Copies a database, even while a server is writing to it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

COPY_MARK = 1
"""``PRAGMA user_version`` of a copy that no server has opened yet.

A copy lacks the entries that the original stored later, so a server that opens it begins new
epochs.
"""


class ArchiveError(Exception):
    """The archive cannot be used; the text is one sentence for the operator."""


def copy_database(source: str, target: str, *, replace: bool = False) -> None:
    """Copy a database as of one moment, even while a server writes to it, and mark the copy.

    The target is complete or does not exist. Raises ArchiveError.
    """
    partial = target + ".partial"
    try:
        if not os.path.isfile(source):
            raise ArchiveError(f"There is no database {source}.")
        if not replace and os.path.lexists(target):
            raise ArchiveError(f"{target} exists already; choose another file.")
        _remove(partial)
        # Independent of the umask: comments may be private.
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            contextlib.closing(sqlite3.connect(_address(source), uri=True)) as original,
            contextlib.closing(sqlite3.connect(partial, isolation_level=None)) as copy,
        ):
            # In one step: a copy in several steps restarts whenever the server writes.
            original.backup(copy, pages=-1)
            copy.execute("PRAGMA journal_mode=DELETE")
            copy.execute(f"PRAGMA user_version={COPY_MARK}")
        os.rename(partial, target)
        _sync_folder(target)
    except (OSError, sqlite3.Error) as error:
        _remove(partial)
        reason = error.strerror if isinstance(error, OSError) else error
        raise ArchiveError(f"{source} cannot be copied to {target}: {reason}.") from None


def _address(path: str) -> str:
    # Never create the file.
    return Path(path).absolute().as_uri() + "?mode=rw"


def _remove(path: str) -> None:
    for name in (path, path + "-wal", path + "-shm", path + "-journal"):
        # If it cannot be removed, creating it fails too, and that is reported.
        with contextlib.suppress(OSError):
            os.unlink(name)


def _sync_folder(path: str) -> None:
    folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
