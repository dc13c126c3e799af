"""The database: its connections, its transactions, and its write-ahead log.

It is independent of the tables. Blocking code: methods that write belong to one thread.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from chat.archive.file import ArchiveError
from chat.archive.identity import DatabaseFile, FileReplaced
from chat.archive.schema import migrate

LOCK_SECONDS = 5.0
LOCK_WAIT_MS = 100
SCRUB_MS = 200
CHECKPOINT_PAGES = 1_000
LOG_LIMIT = 8 * 1_024 * 1_024
INTEGRITY_SECONDS = 1.0


class Database:
    """One SQL database. ``url`` is ``sqlite:///FILE``, or ``sqlite://`` for memory only.

    Raises ArchiveError when it cannot be opened, and leaves no file behind then. Its methods raise
    FileReplaced when the file is no longer the one that was opened. ``written_pages``: about how
    many pages were written to the log since the last checkpoint.
    """

    def __init__(self, url: str) -> None:
        self.path = path = sa.make_url(url).database or None
        self.in_memory = path is None
        self._file: DatabaseFile | None = None
        self.written_pages = 0
        # When writes stop waiting for another process's lock; None: after LOCK_SECONDS each.
        self._lock_deadline: float | None = None
        self._needs_serial = False
        if path:
            self._file = DatabaseFile(path)
            self._writer = sa.create_engine(url)
            self._reader = sa.create_engine(url, isolation_level="AUTOCOMMIT")
            sa.event.listen(self._reader, "connect", _configure)
        else:
            self._writer = self._reader = sa.create_engine(
                url, poolclass=StaticPool, connect_args={"check_same_thread": False}
            )
        sa.event.listen(self._writer, "connect", _configure)
        sa.event.listen(self._writer, "begin", self._begin)
        sa.event.listen(self._writer, "rollback", self._roll_back)
        try:
            if self._file is not None:
                self._prepare_file(self._file)
            migrate(self._writer, path)
            # After a crash the log may contain texts that were retracted before it.
            self.scrub()
            if self._file is not None:
                self._file.record_log()
                self._file.check()
        except (sa.exc.DBAPIError, sqlite3.Error, FileReplaced, OSError) as error:
            self.discard()
            reason = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            raise ArchiveError(f"The database {path} cannot be used: {reason}.") from None
        except ArchiveError:
            self.discard()
            raise

    def _prepare_file(self, file: DatabaseFile) -> None:
        if file.is_copy:
            # Before it has a write-ahead log: a log beside a copy is then known to be foreign.
            _renew_epochs(file, file.next_serial())
        elif not file.is_new:
            self._refuse_damaged()
        if not file.has_serial:
            self._needs_serial = True
            with self._writer.begin():
                pass

    def _refuse_damaged(self) -> None:
        """Check for damage, for at most ``INTEGRITY_SECONDS``."""
        ends = time.monotonic() + INTEGRITY_SECONDS
        with self._reader.connect() as connection:
            driver: Any = connection.connection.dbapi_connection
            driver.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
            try:
                found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
            except sa.exc.OperationalError:
                if time.monotonic() < ends:
                    raise
                return
            finally:
                driver.set_progress_handler(None, 0)
        if found != "ok":
            raise ArchiveError(
                f"The database {self.path} is damaged; restore it from a copy made with "
                "danmaku backup."
            )

    def _begin(self, connection: sa.Connection) -> None:
        """Begin a write, waiting for the lock; ``limit_lock_wait`` shortens the wait."""
        ends = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                break
            except sa.exc.OperationalError:
                if time.monotonic() > min(ends, self._lock_deadline or ends):
                    raise
        if self._needs_serial and self._file is not None:
            self._needs_serial = False
            connection.exec_driver_sql(f"PRAGMA user_version={self._file.next_serial()}")

    def _roll_back(self, _connection: sa.Connection) -> None:
        self._needs_serial = self._file is not None

    def limit_lock_wait(self, seconds: float) -> None:
        """Let no write wait for a lock beyond ``seconds`` from now."""
        self._lock_deadline = time.monotonic() + seconds

    def check_file(self) -> None:
        """Raise FileReplaced if the file was moved, replaced or overwritten."""
        if self._file is not None:
            self._file.check()

    def _reading(self) -> sa.Connection:
        """Return a connection for reading, to be closed."""
        self.check_file()
        return self._reader.connect()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """Run a transaction, which is durable at the end."""
        # Checked again after the commit: entries in a file that was moved meanwhile are not stored.
        self.check_file()
        with self._writer.begin() as connection:
            yield connection
        self.check_file()

    @property
    def log_bytes(self) -> int:
        """The size of the write-ahead log."""
        return 0 if self._file is None else self._file.log_bytes

    @property
    def needs_checkpoint(self) -> bool:
        """Whether the log has grown enough for a checkpoint, or has to shrink."""
        return self.written_pages >= CHECKPOINT_PAGES or self.log_bytes > LOG_LIMIT

    def checkpoint(self) -> bool:
        """Write the log into the database; return whether all of it was written.

        While another process holds a transaction open, the log cannot restart and grows. It is
        truncated as soon as possible.
        """
        return self._run_checkpoint("TRUNCATE" if self.log_bytes > LOG_LIMIT else "PASSIVE", 0)

    def scrub(self) -> bool:
        """Empty the write-ahead log, which may still contain overwritten texts.

        Returns False if a reader prevented it: try again later.
        """
        return self._run_checkpoint("TRUNCATE", SCRUB_MS)

    def _run_checkpoint(self, mode: str, wait_ms: int) -> bool:
        if self.in_memory:
            self.written_pages = 0
            return True
        if self._file is not None and self._file.has_log:
            self._file.check()
        is_done = self._empty_log(mode, wait_ms)
        if self._file is not None and self._file.has_log:
            self._file.check()
        return is_done

    def _empty_log(self, mode: str, wait_ms: int) -> bool:
        with self._reader.connect() as connection:
            # Comments wait during this, so it does not wait long for readers.
            connection.exec_driver_sql(f"PRAGMA busy_timeout={wait_ms}")
            try:
                row = connection.exec_driver_sql(f"PRAGMA wal_checkpoint({mode})").one()
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={LOCK_WAIT_MS}")
        busy, logged, moved = row
        self.written_pages = 0
        self._needs_serial = True
        return not busy and logged == moved

    def close(self) -> None:
        """Close the database. A file that was moved or replaced is left as it is."""
        if self._file is not None and self._file.has_log:
            try:
                self._file.check()
            except FileReplaced:
                if self._file.is_moved:
                    # The moved file should contain everything that was acked.
                    self._empty_log("TRUNCATE", SCRUB_MS)
                else:
                    self._file.prevent_close_checkpoint()
        self._writer.dispose()
        self._reader.dispose()
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def is_new(self) -> bool:
        """Whether the file was created by this object."""
        return self._file is not None and self._file.is_new

    def discard(self) -> None:
        """Close the database, and remove it if this object created it."""
        self._writer.dispose()
        self._reader.dispose()
        if self._file is not None:
            self._file.discard()
            self._file = None


def _renew_epochs(file: DatabaseFile, serial: int) -> None:
    """Begin new epochs in a copy, so that no cursor ever means two different entries."""
    with contextlib.closing(sqlite3.connect(file.path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE rooms SET epoch = lower(hex(randomblob(4)))")
        connection.execute(f"PRAGMA user_version={serial}")
        connection.execute("COMMIT")


def _configure(connection: Any, _record: Any) -> None:
    # The driver would begin transactions implicitly, and late; ``_begin`` does it instead.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={LOCK_WAIT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        # ``checkpoint`` does it, after checking the file.
        "wal_autocheckpoint=0",
        f"journal_size_limit={LOG_LIMIT}",
        # Deleted and overwritten texts must not remain in free pages of the file.
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")
