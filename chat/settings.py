"""The server's settings: each field of a frozen dataclass is a flag and a ``DANMAKU_*`` variable.

``command_line.py`` reads them. docs/settings.md lists the same.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from chat.core.reject import Rejection
from chat.core.wire import parse_room

PREFIX = "DANMAKU_"
MIN_SECRET_BYTES = 32
MAX_SECRETS = 8


class SettingsError(ValueError):
    """A setting has an invalid value; the message completes a sentence: "must be …"."""


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        try:
            value = int(raw)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise SettingsError(f"must be a whole number from {least} to {most}")
        return value

    return parse


def _number(least: float, most: float) -> Callable[[str], float]:
    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise SettingsError(f"must be a number from {least:g} to {most:g}")
        return value

    return parse


def _address(raw: str) -> str:
    if raw != "localhost":
        try:
            ipaddress.ip_address(raw)
        except ValueError:
            raise SettingsError("must be an IP address, such as 127.0.0.1 or 0.0.0.0") from None
    return raw


def _base_path(raw: str) -> str:
    path = raw.rstrip("/")
    if not re.fullmatch(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*", path):
        raise SettingsError("must be a path such as /danmaku")
    return path


def _database(raw: str) -> str:
    if not re.fullmatch(r"sqlite://(/[^?#%:]+)?", raw):
        # ?, % and :memory: have a meaning in SQLAlchemy's URLs; only a plain file name is allowed.
        raise SettingsError("must be sqlite:///FILE, or sqlite:// to keep everything in memory")
    return raw


def _secrets(raw: str) -> tuple[str, ...]:
    secrets = _split(raw)
    if not secrets or min(len(secret.encode()) for secret in secrets) < MIN_SECRET_BYTES:
        # A key for HS256 must be at least as long as the hash (RFC 7518, section 3.2).
        raise SettingsError(
            f"must be at least {MIN_SECRET_BYTES} bytes long, also each of several between commas"
        )
    if len(secrets) > MAX_SECRETS:
        raise SettingsError(f"must be at most {MAX_SECRETS} secrets")
    return secrets


def _key(raw: str) -> str:
    if raw and len(raw.encode()) < MIN_SECRET_BYTES:
        raise SettingsError(f"must be at least {MIN_SECRET_BYTES} bytes long")
    return raw


def _url(raw: str) -> str:
    try:
        scheme, host, *_ = urlsplit(raw)
    except ValueError:
        scheme = host = ""
    if raw and (scheme not in ("http", "https") or not host):
        raise SettingsError("must be an address such as http://127.0.0.1:9000/judge")
    return raw


def _choice(*values: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in values:
            raise SettingsError(f"must be {' or '.join(values)}")
        return raw

    return parse


def _origins(raw: str) -> tuple[str, ...]:
    origins = _split(raw)
    for origin in origins:
        try:
            scheme, host, *_ = urlsplit(origin)
        except ValueError:
            scheme = host = ""
        if scheme not in ("http", "https") or not host or origin != f"{scheme}://{host}":
            raise SettingsError("must be comma-separated origins such as https://example.org")
    return origins


def _hosts(raw: str) -> tuple[str, ...]:
    hosts = _split(raw.lower())
    for host in hosts:
        if not re.fullmatch(r"[a-z0-9._-]+(:[0-9]{1,5})?|\[[0-9a-f:.]+\](:[0-9]{1,5})?", host):
            raise SettingsError("must be comma-separated host names such as chat.example.org")
    return hosts


def _networks(raw: str) -> tuple[str, ...]:
    networks = _split(raw)
    for network in networks:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise SettingsError(
                "must be comma-separated IP addresses or networks such as 10.0.0.0/8"
            ) from None
    return networks


def _readable(raw: str) -> str:
    if not os.access(raw, os.R_OK) or not os.path.isfile(raw):
        raise SettingsError("must be a readable file")
    return raw


def _rooms(raw: str) -> tuple[str, ...]:
    rooms = _split(raw)
    for room in rooms:
        if isinstance(parse_room(room), Rejection):
            raise SettingsError(
                "must be comma-separated room names of a-z, 0-9, - and _, such as demo,music"
            )
    return rooms


def _split(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def _setting(default: Any, parse: Callable[[str], Any], value: str, help: str) -> Any:
    return field(default=default, metadata={"parse": parse, "value": value, "help": help})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings. Each field is a flag, an environment variable and a row in docs/settings.md."""

    port: int = _setting(8888, _whole(0, 65_535), "N", "port to listen on; 0 picks a free port")
    address: str = _setting(
        "127.0.0.1", _address, "IP", "address to listen on; 0.0.0.0 means all network interfaces"
    )
    base_path: str = _setting(
        "", _base_path, "PATH", "path under which a reverse proxy shows this server; none: /"
    )
    database: str = _setting(
        "sqlite:///danmaku.db",
        _database,
        "URL",
        "where to store comments: sqlite:///FILE, or sqlite:// for memory only",
    )
    rooms: tuple[str, ...] = _setting(
        (), _rooms, "NAMES", "comma-separated names of the only rooms allowed; none: any room"
    )
    allowed_origins: tuple[str, ...] = _setting(
        (),
        _origins,
        "ORIGINS",
        "comma-separated origins of other sites whose pages may connect and post",
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (),
        _hosts,
        "HOSTS",
        "comma-separated host names that the server answers to, besides localhost; none: any",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (),
        _networks,
        "CIDRS",
        "comma-separated networks of reverse proxies whose X-Forwarded headers are believed",
    )
    keep_days: int = _setting(
        0, _whole(0, 36_500), "N", "days after which comments are deleted; 0 keeps them forever"
    )
    secret: tuple[str, ...] = _setting(
        (),
        _secrets,
        "SECRETS",
        "comma-separated keys for tokens, the first signs; none: generated beside the database",
    )
    judge_url: str = _setting(
        "", _url, "URL", "program that decides on each comment before it is stored; none: none"
    )
    judge_secret: str = _setting(
        "", _key, "SECRET", "key with which requests to the judge are signed, at least 32 bytes"
    )
    judge_failure: str = _setting(
        "open",
        _choice("open", "closed"),
        "MODE",
        "open or closed: whether comments are accepted while the judge gives no verdict",
    )
    certfile: str = _setting(
        "", _readable, "FILE", "certificate chain (PEM) for serving https and wss; none: http"
    )
    keyfile: str = _setting(
        "", _readable, "FILE", "private key (PEM) of the certificate; none: read from --certfile"
    )
    max_viewers: int = _setting(
        15_000,
        _whole(1, 1_000_000),
        "N",
        "maximum WebSocket connections; further viewers are told to retry",
    )
    max_per_address: int = _setting(
        500,
        _whole(0, 1_000_000),
        "N",
        "maximum WebSocket connections from one IP address or IPv6 /64; 0 means no limit",
    )
    post_burst: int = _setting(
        5, _whole(1, 10_000), "N", "comments a user may post at once, before the rate limit applies"
    )
    post_rate: float = _setting(
        1.0, _number(0, 10_000), "N", "comments per second that a user may post; 0 means no limit"
    )
    delivery_rate: float = _setting(
        200.0, _number(0, 100_000), "N", "comments per second sent to each viewer; 0 sends all"
    )
    wave_gap_ms: int = _setting(
        80, _whole(0, 1_000), "MS", "minimum time between two waves in a busy room, in milliseconds"
    )

    @property
    def database_path(self) -> str:
        """The path of the database file; empty when everything is in memory."""
        return self.database.removeprefix("sqlite://")[1:]

    def url_at(self, port: int) -> str:
        """Return the URL of a server with these settings on this machine; no slash at its end."""
        host = "127.0.0.1" if self.address in ("0.0.0.0", "::") else self.address
        scheme = "https" if self.certfile else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{self.base_path}"


def flag(setting: Field[Any]) -> str:
    """Return the flag of a setting."""
    return "--" + setting.name.replace("_", "-")


def variable(setting: Field[Any]) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + setting.name.upper()


def show_default(setting: Field[Any]) -> str:
    """Return a setting's default as a user would type it."""
    assert setting.default is not MISSING
    value = setting.default
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"
