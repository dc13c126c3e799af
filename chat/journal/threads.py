"""Runs an archive's blocking code in threads, and turns its errors into ``JournalError``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from chat.archive import Archive, FileReplaced
from chat.journal import JournalError, ReadFailed

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class ArchiveThreads:
    """One thread that writes to an archive, and two that read."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._writer = ThreadPoolExecutor(1, "archive-writer")
        # A database in memory is one connection, so its reads take turns with the writes.
        self._reader = (
            self._writer if archive.in_memory else ThreadPoolExecutor(2, "archive-reader")
        )
        self._running: set[asyncio.Future[Any]] = set()
        self._file_is_replaced = False
        self._is_closing = False

    @property
    def is_healthy(self) -> bool:
        """Whether the database file is the one that was opened, at its path."""
        return not self._file_is_replaced

    async def write(self, work: Callable[[], Result]) -> Result:
        """Run in the one thread that writes; raises JournalError."""
        return await self._call(self._writer, work)

    async def read(self, work: Callable[[], Result]) -> Result:
        """Run concurrently with the writer; raises ReadFailed."""
        try:
            return await self._call(self._reader, work)
        except JournalError as error:
            raise ReadFailed from error

    async def check_file(self) -> None:
        """Check that the file was not moved or replaced; raises ReadFailed if it was."""
        await self.read(self._archive.check_file)
        self._set_replaced(None)

    async def _call(self, executor: ThreadPoolExecutor, work: Callable[[], Result]) -> Result:
        if self._is_closing:
            raise JournalError
        running = asyncio.get_running_loop().run_in_executor(executor, work)
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        try:
            return await running
        except JournalError:
            raise
        except FileReplaced as error:
            self._set_replaced(error)
            raise JournalError from error
        except SQLAlchemyError as error:
            _log.error("the archive failed: %s", error)
            raise JournalError from error
        except Exception as error:
            # The one task that commits must survive a bug in the work that it runs.
            _log.exception("the archive failed unexpectedly")
            raise JournalError from error

    def _set_replaced(self, error: FileReplaced | None) -> None:
        """Record whether the file was moved or replaced, and log each change once."""
        if error is not None and not self._file_is_replaced:
            _log.critical(
                "%s while the server is running: nothing can be stored. "
                "Restore the file, or restart the server",
                error,
            )
        if error is None and self._file_is_replaced:
            _log.info("the database file was restored")
        self._file_is_replaced = error is not None

    async def close(self) -> None:
        """Wait for running work, and close the archive; further work raises JournalError."""
        self._is_closing = True
        if self._running:
            await asyncio.wait(self._running)
        # On the writer thread, so that the archive is not closed while work runs there.
        await asyncio.get_running_loop().run_in_executor(self._writer, self._close)
        self._writer.shutdown(wait=False)

    def _close(self) -> None:
        if self._reader is not self._writer:
            self._reader.shutdown()
        self._archive.close()
