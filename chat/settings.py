"""The server's settings: each field of a frozen dataclass is a flag and a ``DANMAKU_*`` variable.

Only this module reads the command line and the environment. docs/settings.md lists the same.
"""

from __future__ import annotations

import argparse
import difflib
import ipaddress
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, NamedTuple, NoReturn
from urllib.parse import urlsplit

from chat import __version__
from chat.core.reject import Rejection
from chat.core.wire import parse_room

PREFIX = "DANMAKU_"


class SettingsError(ValueError):
    """A setting has an invalid value; the text is the end of a sentence: "must be …"."""


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


def _secret(raw: str) -> str:
    if len(raw.encode()) < 32:
        # A key for HS256 must be at least as long as the hash (RFC 7518, section 3.2).
        raise SettingsError("must be at least 32 bytes long")
    return raw


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
    keep_days: int = _setting(
        0, _whole(0, 36_500), "N", "days after which comments are deleted; 0 keeps them forever"
    )
    secret: str = _setting(
        "",
        _secret,
        "TEXT",
        "key for guest sessions and room tokens; none: generated and stored beside the database",
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


class Command(NamedTuple):
    """A parsed command line: a command and its options; an empty ``name`` means serve."""

    name: str
    options: Mapping[str, Any]
    settings: Settings


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        def width_80(prog: str) -> argparse.HelpFormatter:
            return argparse.HelpFormatter(prog, max_help_position=30, width=80)

        super().__init__(allow_abbrev=False, formatter_class=width_80, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"danmaku: {message}. See {self.prog} --help.\n")


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="danmaku",
        description="A live danmaku server: viewers' comments fly across the video "
        "and reach everybody at once.",
        epilog="Each flag can also be set by an environment variable: --wave-gap-ms is "
        "DANMAKU_WAVE_GAP_MS. A flag overrides its variable.",
    )
    parser.add_argument("--version", action="version", version=f"danmaku {__version__}")
    _add_settings(parser, shown=True)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands (without one, the server starts)"
    )
    _describe_commands(commands)
    return parser


def _add_settings(parser: argparse.ArgumentParser, *, shown: bool) -> None:
    # No defaults here: a subparser's default would override a flag given before the command.
    for setting in fields(Settings):
        described = f"{setting.metadata['help']} (default: {show_default(setting)})"
        parser.add_argument(
            flag(setting),
            metavar=setting.metadata["value"],
            default=argparse.SUPPRESS,
            help=described if shown else argparse.SUPPRESS,
        )


def _describe_commands(commands: Any) -> None:
    about = "The server's flags and variables also apply here, to find the server and its secret."
    backup = commands.add_parser(
        "backup", help="copy the database, even while the server is running", epilog=about
    )
    backup.add_argument("file", metavar="FILE", nargs="?", default="", help="the copy to create")
    room = commands.add_parser(
        "room",
        help="show or change a room's settings",
        description="Shows a room's settings, or changes the given ones. Changes take effect at "
        "once for everybody in the room. An empty value ('') resets a setting.",
        epilog=about,
    )
    room.add_argument("room", metavar="NAME", help="name of the room")
    for name, value, explained in (
        ("title", "TEXT", "title of the room"),
        (
            "video-url",
            "URL",
            "video to play: mp4, webm or HLS; an http(s) address or a path on this server",
        ),
        ("delay", "S", "seconds to hold comments back, to match a delayed stream"),
        ("slow-mode", "S", "minimum seconds between two comments of a user; 0 turns it off"),
    ):
        room.add_argument(f"--{name}", metavar=value, help=explained)
    room.add_argument(
        "--server", metavar="URL", default="", help="URL of the server (default: on this machine)"
    )
    for command in (backup, room):
        _add_settings(command, shown=False)


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings; an invalid one prints one sentence and raises SystemExit(2)."""
    return read_command(arguments, environment).settings


def read_command(arguments: Sequence[str], environment: Mapping[str, str]) -> Command:
    """Return the command and the settings; flags may stand before or after the command.

    Raises SystemExit(2) as ``read_settings`` does. Variables that begin with ``DANMAKU_`` but are
    not settings are reported on stderr and otherwise ignored.
    """
    parsed = vars(_build_parser().parse_args(arguments))
    settings = _choose({s.name: parsed.pop(s.name, None) for s in fields(Settings)}, environment)
    _warn_of_strangers(environment)
    return Command(parsed.pop("command") or "", parsed, settings)


def _warn_of_strangers(environment: Mapping[str, str]) -> None:
    """Report variables that look like settings but are not: probably misspelt."""
    known = {variable(setting).removeprefix(PREFIX) for setting in fields(Settings)}
    for name, raw in sorted(environment.items()):
        if not raw or not name.startswith(PREFIX) or name.removeprefix(PREFIX) in known:
            continue
        near = difflib.get_close_matches(name.removeprefix(PREFIX), sorted(known), 1)
        advice = f"did you mean {PREFIX}{near[0]}?" if near else "see danmaku --help."
        print(f"danmaku: {name} is not a setting and is ignored; {advice}", file=sys.stderr)


def _choose(parsed: Mapping[str, str | None], environment: Mapping[str, str]) -> Settings:
    chosen: dict[str, Any] = {}
    for setting in fields(Settings):
        raw, where = parsed[setting.name], flag(setting)
        if raw is None:
            raw, where = environment.get(variable(setting)) or None, variable(setting)
        if raw is None:
            continue
        try:
            chosen[setting.name] = setting.metadata["parse"](raw)
        except SettingsError as error:
            given = "" if setting.name == "secret" else f", not {raw!r}"
            print(f"danmaku: {where} {error}{given}.", file=sys.stderr)
            raise SystemExit(2) from None
    return Settings(**chosen)
