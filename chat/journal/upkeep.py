"""Maintains an archive: checks its file, overwrites removed texts, and scrubs its log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial

from chat.archive import Archive
from chat.journal import JournalError
from chat.journal.threads import ArchiveThreads

FILE_CHECK_SECONDS = 0.5
LOG_WARNING_BYTES = 16 * 1_024 * 1_024
SCRUB_PAUSE = 1.0
OVERWRITE_STEP = 1_000
OVERWRITE_PAUSE = 0.02

_log = logging.getLogger(__name__)


class Upkeep:
    """The maintenance tasks of one archive; ``stop`` ends them."""

    def __init__(self, archive: Archive, threads: ArchiveThreads) -> None:
        self._archive = archive
        self._threads = threads
        self._log_is_long = False
        self._needs_scrub = False
        self._needs_overwrite = False
        self._task: asyncio.Task[None] | None = None
        self._starter: asyncio.Task[None] | None = None
        self._scrubber: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the checks; a database in memory has no file and needs none."""
        if not self._archive.in_memory:
            self._task = asyncio.get_running_loop().create_task(self._check_forever())
            self._starter = asyncio.get_running_loop().create_task(self._continue_clears())

    def stop(self) -> None:
        """Stop; scrubbing that was not finished is done at the next start."""
        for task in (self._task, self._starter, self._scrubber):
            if task is not None:
                task.cancel()

    async def _continue_clears(self) -> None:
        """Overwrite what an earlier process did not finish; writes nothing if there is nothing."""
        try:
            is_due = await self._threads.read(self._archive.has_clears)
        except JournalError:
            is_due = True  # perhaps; it is tried until the archive can be read again
        if is_due:
            self.overwrite_soon()

    async def _check_forever(self) -> None:
        """Check the file and its log regularly, even if nobody posts."""
        while True:
            await asyncio.sleep(FILE_CHECK_SECONDS)
            with contextlib.suppress(JournalError):
                await self._threads.check_file()
                await self.checkpoint_if_needed()

    async def checkpoint_if_needed(self) -> None:
        """Empty the write-ahead log when it has grown; raises JournalError."""
        if not self._archive.needs_checkpoint:
            return
        is_done = await self._threads.write(self._archive.checkpoint)
        size = self._archive.log_bytes
        if not is_done and size > LOG_WARNING_BYTES and not self._log_is_long:
            _log.warning(
                "the write-ahead log of the database has grown to %d MB: "
                "another program holds a transaction open",
                size >> 20,
            )
            self._log_is_long = True
        elif is_done and size <= LOG_WARNING_BYTES and self._log_is_long:
            _log.info("the write-ahead log of the database has shrunk")
            self._log_is_long = False

    def scrub_soon(self) -> None:
        """Remove overwritten texts from the write-ahead log, too, as soon as possible."""
        self._needs_scrub = True
        if self._scrubber is None or self._scrubber.done():
            self._scrubber = asyncio.get_running_loop().create_task(self._remove_texts())

    def overwrite_soon(self) -> None:
        """Overwrite the texts that were removed, then scrub, as soon as possible."""
        self._needs_overwrite = True
        self.scrub_soon()

    async def _remove_texts(self) -> None:
        # What is not finished at the end is done at the next start.
        while self._needs_overwrite or self._needs_scrub:
            try:
                if self._needs_overwrite:
                    await self._overwrite_step()
                    continue
                self._needs_scrub = False
                self._needs_scrub = not await self._threads.write(self._archive.scrub)
            except JournalError:
                self._needs_scrub = True
            if self._needs_scrub:
                await asyncio.sleep(SCRUB_PAUSE)

    async def _overwrite_step(self) -> None:
        """Overwrite some of the texts; commits run between two steps."""
        self._needs_overwrite = False
        work = partial(self._archive.overwrite_cleared, OVERWRITE_STEP)
        try:
            has_more = await self._threads.write(work)
        except JournalError:
            self._needs_overwrite = True
            raise
        if has_more:
            self._needs_overwrite = True
            await asyncio.sleep(OVERWRITE_PAUSE)
