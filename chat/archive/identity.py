"""Locks a database file, and checks that it is still the one that was opened.

A path is not enough: it may be a link, and while the server runs the file may be moved, removed,
replaced or overwritten. So the lock is on the file itself, and before and after each commit the
file's device, inode and a serial number in its header are checked. The serial is increased by the
first transaction of each write-ahead log and so changes with each checkpoint: an older copy that is
written over the file is noticed. Layout: https://sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import sqlite3
import stat
import struct
from pathlib import Path

from chat.archive.file import COPY_MARK, ArchiveError

_MAGIC = b"SQLite format 3\0"
_HEADER_BYTES = 100
_SERIAL = slice(60, 64)  # PRAGMA user_version
_FIRST_SERIAL = 1_000
_SERIALS = 1 << 30
_LOG_HEADER = struct.Struct(">8xI4x8s8x")
_FRAME_HEADER = struct.Struct(">I4x8s8x")
# The bytes that SQLite locks to read a database (os_unix.c: SHARED_FIRST, SHARED_SIZE).
_SHARED_LOCK = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 0x4000_0002, 510, 0)

_log = logging.getLogger(__name__)


class FileReplaced(Exception):
    """The database file was moved, replaced or overwritten; the text says which."""


class DatabaseFile:
    """A database's file, locked for this process until ``close``. Raises ArchiveError.

    ``is_new``: this object created it. Its descriptor stays open as long as SQLite uses the file:
    closing any descriptor of a file drops the locks that the process has on it (POSIX), SQLite's
    among them. ``log_bytes``: the size of the write-ahead log at the last check.
    """

    def __init__(self, path: str) -> None:
        self._name = path
        self._path = os.path.realpath(path)
        self._wal = self._path + "-wal"
        self._wal_inode: tuple[int, int] | None = None
        self.log_bytes = 0
        try:
            self.is_new, self._descriptor = _open(self._path)
        except OSError as error:
            raise ArchiveError(f"The database {path} cannot be used: {error.strerror}.") from None
        try:
            self._lock()
            header = os.pread(self._descriptor, _HEADER_BYTES, 0)
            self._refuse_foreign(header)
            serials = _read_log(self._wal)
            self._refuse_foreign_log(header, serials)
        except ArchiveError:
            self.discard()
            raise
        self._inode = _inode(os.fstat(self._descriptor))
        self._seen = _serial_of(header)
        self._newest = max([self._seen, *(serials or [])])
        if not self.is_new and os.fstat(self._descriptor).st_mode & stat.S_IROTH:
            _log.warning("the database %s can be read by every user of this machine", path)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.is_new = False
            raise ArchiveError(f"The database {self._name} is in use by another server.") from None

    def _refuse_foreign(self, header: bytes) -> None:
        if not header:
            return
        if not header.startswith(_MAGIC):
            raise ArchiveError(f"{self._name} is not a database of SQLite.")
        address = Path(self._path).as_uri() + "?mode=ro&immutable=1"  # creates and locks nothing
        try:
            with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
                found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                tables = {name for (name,) in found}
        except sqlite3.Error as error:
            raise ArchiveError(f"The database {self._name} cannot be used: {error}.") from None
        if tables and not tables >= {"alembic_version", "rooms", "entries"}:
            raise ArchiveError(
                f"{self._name} is the database of another program; choose another file."
            )

    def _refuse_foreign_log(self, header: bytes, serials: list[int] | None) -> None:
        """Refuse a write-ahead log that was not written for this file: it would damage it."""
        if serials is None:
            return
        serial = _serial_of(header)
        if (
            header
            and (
                serial == 0  # written before there were serials
                or serial in serials
                or serial + 1 in serials[:1]
                or (not serials and serial != COPY_MARK)
            )
        ):
            return
        raise ArchiveError(
            f"{self._wal} belongs to another database that was at {self._name} when a "
            f"server stopped. Move it away to start with {self._name} alone."
        )

    @property
    def path(self) -> str:
        """The file's real path."""
        return self._path

    @property
    def has_serial(self) -> bool:
        """Whether the file has, or is about to have, a serial of its own."""
        return self._newest >= _FIRST_SERIAL

    @property
    def has_log(self) -> bool:
        """Whether ``record_log`` was called; only then may ``check`` be."""
        return self._wal_inode is not None

    @property
    def is_moved(self) -> bool:
        """Whether the log is still this database's: the file itself was only moved or removed."""
        with contextlib.suppress(OSError):
            seen = self._seen
            header = os.pread(self._descriptor, _HEADER_BYTES, 0)
            is_ours = seen <= _serial_of(header) <= self._newest
            return is_ours and _inode(os.stat(self._wal)) == self._wal_inode
        return False

    @property
    def is_copy(self) -> bool:
        """Whether it is a copy that no server has opened yet."""
        return self._seen == COPY_MARK

    def record_log(self) -> None:
        """Record the present write-ahead log as this database's own."""
        found = os.stat(self._wal)
        self._wal_inode, self.log_bytes = _inode(found), found.st_size

    def next_serial(self) -> int:
        """Return the serial for a transaction that is about to be committed."""
        if self._newest < _FIRST_SERIAL:
            self._newest = _FIRST_SERIAL + secrets.randbelow(_SERIALS)
        self._newest += 1
        return self._newest

    def check(self) -> None:
        """Raise FileReplaced if the file or its log was moved, replaced or overwritten."""
        try:
            at_name = _inode(os.stat(self._path))
            log = os.stat(self._wal) if self._wal_inode else None
        except FileNotFoundError as error:
            raise FileReplaced(f"{error.filename} was moved or removed") from None
        except OSError as error:
            raise FileReplaced(f"{error.filename} cannot be found: {error.strerror}") from None
        if at_name != self._inode:
            raise FileReplaced(f"{self._path} was replaced by another file")
        if log is not None and _inode(log) != self._wal_inode:
            raise FileReplaced(f"{self._wal} was replaced by another file")
        # Before the header: other threads check, too, and may have seen a newer one meanwhile.
        seen = self._seen
        header = os.pread(self._descriptor, _HEADER_BYTES, 0)
        serial = _serial_of(header)
        if not header.startswith(_MAGIC) or not seen <= serial <= self._newest:
            raise FileReplaced(f"{self._path} was overwritten")
        self._seen = serial
        self.log_bytes = 0 if log is None else log.st_size

    def prevent_close_checkpoint(self) -> None:
        """Keep SQLite from writing to the file when its connections close.

        Otherwise the last one would write the log into the file and delete the log.
        """
        # Locks of an open file description conflict also with those of the same process.
        if hasattr(fcntl, "F_OFD_SETLK"):
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, _SHARED_LOCK)

    def discard(self) -> None:
        """Close the file, and remove it if this object created it."""
        if self.is_new:
            for name in (self._path, self._wal, self._path + "-shm"):
                with contextlib.suppress(OSError):
                    os.unlink(name)
        self.close()

    def close(self) -> None:
        """Close the file and release the lock; SQLite must have closed it before."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _open(path: str) -> tuple[bool, int]:
    """Open a file for reading and writing; return whether it was created, and the descriptor."""
    flags = os.O_RDWR | os.O_CLOEXEC
    with contextlib.suppress(FileExistsError):
        # Independent of the umask: comments may be private.
        return True, os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600)
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(0, "it is not a regular file")
    return False, os.open(path, flags)


def _inode(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _serial_of(header: bytes) -> int:
    return int.from_bytes(header[_SERIAL])


def _read_log(path: str) -> list[int] | None:
    """Return the serials that a write-ahead log gives to its database; None if it is empty."""
    try:
        with open(path, "rb") as log:
            page_size, salt = _LOG_HEADER.unpack(log.read(_LOG_HEADER.size))
            serials, frames = [], 0
            # Frames with another salt are from before the log restarted.
            while len(head := log.read(_FRAME_HEADER.size)) == _FRAME_HEADER.size:
                page, frame_salt = _FRAME_HEADER.unpack(head)
                if frame_salt != salt:
                    break
                frames += 1
                if page == 1:
                    serials.append(_serial_of(log.read(_HEADER_BYTES)))
                    log.seek(page_size - _HEADER_BYTES, os.SEEK_CUR)
                else:
                    log.seek(page_size, os.SEEK_CUR)
    except (FileNotFoundError, struct.error):
        return None
    return serials if frames else None
