"""The server's secrets, with which tokens are signed, and the file that holds a generated one."""

from __future__ import annotations

import logging
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

from chat.web.identity.keys import Keys

_SECRET_BYTES = 32

_log = logging.getLogger(__name__)


class SecretError(Exception):
    """There is no usable secret; the message is one sentence for the operator."""


def load_or_create_secret(chosen: Sequence[str], database: str | None) -> Keys:
    """Return the server's keys.

    ``chosen`` are the operator's own secrets. Without one, it is read from a file beside the
    database, which is created at the first start; with a database in memory it is a new one. The
    caller holds the database's lock. Raises SecretError.
    """
    if not chosen and not database:
        return Keys([secrets.token_bytes(_SECRET_BYTES)])
    if chosen or not database:
        return read_secret(chosen, database)
    path = _path_beside(database)
    try:
        if not path.exists():
            _write_secret(path)
    except OSError as error:
        raise SecretError(f"The secret {path} cannot be used: {error.strerror}.") from None
    return read_secret(chosen, database)


def read_secret(chosen: Sequence[str], database: str | None) -> Keys:
    """Return the keys of a server with these settings; never creates one.

    Raises SecretError.
    """
    if chosen:
        return Keys([secret.encode() for secret in chosen])
    if not database:
        raise SecretError(
            "A server with a database in memory has a new secret at each start. "
            "Set --secret or DANMAKU_SECRET, the same for the server and for this command."
        )
    path = _path_beside(database)
    try:
        secret = path.read_bytes().strip()
    except FileNotFoundError:
        raise SecretError(
            f"There is no secret at {path}. Use the server's --database or --secret."
        ) from None
    except OSError as error:
        raise SecretError(f"The secret {path} cannot be used: {error.strerror}.") from None
    if os.stat(path).st_mode & stat.S_IROTH:
        _log.warning("the secret %s can be read by every user of this machine", path)
    if len(secret) < _SECRET_BYTES:
        raise SecretError(
            f"The secret {path} is too short. Delete it, and the server will generate one."
        )
    return Keys([secret])


def _path_beside(database: str) -> Path:
    return Path(database + ".secret")


def _write_secret(path: Path) -> None:
    # Renamed when complete: an interrupted start must not leave a partial secret.
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_hex(_SECRET_BYTES).encode() + b"\n")
        file.flush()
        os.fsync(descriptor)
    partial.rename(path)
    _log.info("a new secret was created: %s", path)
