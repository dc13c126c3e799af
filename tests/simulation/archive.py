"""The program's own archive in memory, on a disk that outlives the process and can fail.

Real SQL, but no file: ``tests/faults`` tests what SQLite promises of files. Each transaction is
done at one moment, so that a process that is killed has either done it or not.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from chat.archive import Archive

Body = dict[str, Any]
Place = tuple[str, int]


class Disk:
    """What survives a process. The functions are called within reads and transactions.

    ``before``: what is raised leaves nothing of the transaction; ``after``: it is done.
    """

    def __init__(self) -> None:
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self.reading: Callable[[], None] = lambda: None
        self.commits = 0
        self.trimmed: dict[Place, Body] = {}
        self._database: sqlite3.Connection | None = None

    def open(self, database: sqlite3.Connection) -> None:
        """Continue with what the last process left, in the database of a new one."""
        if self._database is not None:
            database.deserialize(self._database.serialize())
            self._database.close()
        self._database = database

    def _select(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        return (
            [] if self._database is None else self._database.execute(statement, values).fetchall()
        )

    def heads(self) -> dict[str, Place]:
        """Return the epoch and the newest seq of each room."""
        rows = self._select("SELECT name, epoch, head FROM rooms")
        return {name: (epoch, head) for name, epoch, head in rows}

    def comments(self, room: str) -> list[tuple[int, str]]:
        """Return the seqs and users of a room's comments."""
        return self._select(
            "SELECT seq, user FROM entries JOIN rooms ON id = room_id "
            "WHERE name = ? AND kind = 'comment' ORDER BY seq",
            room,
        )

    def acts(self) -> dict[str, tuple[int, list[int]]]:
        """Return how many acts each room had, and the numbers of those that are stored."""
        return {
            epoch: (count, [number for (number,) in self._select(_ACTS, room_id)])
            for room_id, epoch, count in self._select("SELECT id, epoch, acts FROM rooms")
        }

    def read_entries(self, room_id: int | None = None, last: int = 1 << 60) -> dict[Place, Body]:
        """Return the stored entries by epoch and seq, as they are in the tables."""
        rows = self._select(_ENTRIES, last, room_id, room_id)
        return {(epoch, seq): json.loads(body) for epoch, seq, body in rows}


_ACTS = "SELECT number FROM acts WHERE room_id = ? ORDER BY number"
_ENTRIES = (
    "SELECT epoch, seq, body FROM entries JOIN rooms ON id = room_id "
    "WHERE seq <= ? AND (? IS NULL OR room_id = ?)"
)


class SimulatedArchive(Archive):
    """An archive of one process, on a disk."""

    _is_closed = False

    def __init__(self, disk: Disk) -> None:
        super().__init__("sqlite://")
        # From here on like one with a file: with threads for reading, and with upkeep.
        self.in_memory = False
        self._disk = disk
        with self._writer.connect() as connection:
            database: Any = connection.connection.dbapi_connection
        disk.open(database)

    def check_file(self) -> None:
        if self._is_closed:
            raise RuntimeError("the archive was used after it was closed")

    def read_address_secret(self) -> bytes:
        # Part of the start, which fails as a whole; a supervisor then starts the server again.
        reading, self._disk.reading = self._disk.reading, lambda: None
        try:
            return super().read_address_secret()
        finally:
            self._disk.reading = reading

    def _reading(self) -> sa.Connection:
        self._disk.reading()
        return super()._reading()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with super()._writing() as connection:
            yield connection
            self._disk.before()
        self._disk.commits += 1
        self._disk.after()

    def trim(self, room_id: int, last: int) -> None:
        before = self._disk.read_entries(room_id, last)
        try:
            super().trim(room_id, last)
        finally:
            # It may have taken place although it failed.
            if not self._disk.read_entries(room_id, last):
                self._disk.trimmed |= before

    def checkpoint(self) -> bool:
        self.check_file()
        return True  # in memory there is no log

    scrub = checkpoint

    def close(self) -> None:
        self._is_closed = True  # the disk stays


def failure(reason: str) -> OperationalError:
    """Return what SQLAlchemy raises when the database fails."""
    return OperationalError("a statement", {}, Exception(reason))
