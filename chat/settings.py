"""Every setting of the server: one frozen dataclass = flags = ``DANMAKU_*`` variables.

The only reader of the environment and of the command line. docs/settings.md lists the same.
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
    """A setting has a value that cannot be used; the text is one sentence for a person."""


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


def _database(raw: str) -> str:
    if not re.fullmatch(r"sqlite://(/[^?#%:]+)?", raw):
        # ?, % and :memory: mean something to SQLAlchemy; here there is a file's name and no more.
        raise SettingsError(
            "must be sqlite:///FILE, or sqlite:// to keep everything in memory only"
        )
    return raw


def _secret(raw: str) -> str:
    if len(raw.encode()) < 32:
        # As long as what it signs with is wide (RFC 7518, section 3.2).
        raise SettingsError("must be a text of at least 32 bytes")
    return raw


def _origins(raw: str) -> tuple[str, ...]:
    origins = _split(raw)
    for origin in origins:
        try:
            scheme, host, *_ = urlsplit(origin)
        except ValueError:
            scheme = host = ""
        if scheme not in ("http", "https") or not host or origin != f"{scheme}://{host}":
            raise SettingsError("must be origins such as https://example.org, parted by commas")
    return origins


def _readable(raw: str) -> str:
    if not os.access(raw, os.R_OK) or not os.path.isfile(raw):
        raise SettingsError("must be a file that can be read")
    return raw


def _rooms(raw: str) -> tuple[str, ...]:
    rooms = _split(raw)
    for room in rooms:
        if isinstance(parse_room(room), Rejection):
            raise SettingsError(
                "must be room names of a-z, 0-9, - and _, such as demo,music, parted by commas"
            )
    return rooms


def _split(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def _setting(default: Any, parse: Callable[[str], Any], value: str, help: str) -> Any:
    return field(default=default, metadata={"parse": parse, "value": value, "help": help})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator can choose. Each field is a flag, a variable and a row of the docs."""

    port: int = _setting(8888, _whole(0, 65_535), "N", "port to listen on; 0 takes a free one")
    address: str = _setting(
        "127.0.0.1", _address, "IP", "address to listen on; 0.0.0.0 is every network of the machine"
    )
    database: str = _setting(
        "sqlite:///danmaku.db",
        _database,
        "URL",
        "where comments are kept: sqlite:///FILE, or sqlite:// for memory only",
    )
    rooms: tuple[str, ...] = _setting(
        (), _rooms, "NAMES", "the only rooms there are, parted by commas; none: any on first use"
    )
    allowed_origins: tuple[str, ...] = _setting(
        (), _origins, "ORIGINS", "other sites whose pages may connect and post, parted by commas"
    )
    keep_days: int = _setting(
        0, _whole(0, 36_500), "N", "days after which comments are forgotten; 0 keeps them for good"
    )
    secret: str = _setting(
        "",
        _secret,
        "TEXT",
        "key that guests' sessions are signed with; none: made at first start, beside the database",
    )
    certfile: str = _setting(
        "", _readable, "FILE", "certificate chain (PEM) to serve https and wss with; none: http"
    )
    keyfile: str = _setting(
        "", _readable, "FILE", "private key (PEM) of the certificate; none: it is in --certfile"
    )
    max_viewers: int = _setting(
        15_000, _whole(1, 1_000_000), "N", "the most connections at a time; more are told to wait"
    )
    post_burst: int = _setting(
        5, _whole(1, 10_000), "N", "comments that one user may post at once, before the rate counts"
    )
    post_rate: float = _setting(
        1.0, _number(0, 10_000), "N", "comments a second that one user may post; 0 is no limit"
    )
    delivery_rate: float = _setting(
        200.0, _number(0, 100_000), "N", "comments a second that a viewer is sent; 0 sends all"
    )
    wave_gap_ms: int = _setting(
        80, _whole(0, 1_000), "MS", "the least time between two waves of a busy room, milliseconds"
    )

    @property
    def database_path(self) -> str:
        """The database's file; empty when everything is in memory."""
        return self.database.removeprefix("sqlite://")[1:]

    def url_at(self, port: int) -> str:
        """Return where this machine reaches the server when it listens on a port."""
        host = "127.0.0.1" if self.address in ("0.0.0.0", "::") else self.address
        scheme = "https" if self.certfile else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def flag(setting: Field[Any]) -> str:
    """Return the flag of a setting."""
    return "--" + setting.name.replace("_", "-")


def variable(setting: Field[Any]) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + setting.name.upper()


def show_default(setting: Field[Any]) -> str:
    """Return a setting's default as it would be typed."""
    assert setting.default is not MISSING
    value = setting.default
    if isinstance(value, tuple):
        return ",".join(value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


class Command(NamedTuple):
    """What the program is to do: serve where ``name`` is empty, else what ``options`` belong to."""

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
        description="A live danmaku server: comments that fly across the picture, "
        "pushed to every viewer at once.",
        epilog="Each flag can also be given as a variable: --wave-gap-ms is DANMAKU_WAVE_GAP_MS. "
        "A flag wins over a variable.",
    )
    parser.add_argument("--version", action="version", version=f"danmaku {__version__}")
    _add_settings(parser, shown=True)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands, in place of serving"
    )
    _describe_commands(commands)
    return parser


def _add_settings(parser: argparse.ArgumentParser, *, shown: bool) -> None:
    # Suppressed where it is not given: a command's own parser must not undo what came before it.
    for setting in fields(Settings):
        described = f"{setting.metadata['help']} (default: {show_default(setting)})"
        parser.add_argument(
            flag(setting),
            metavar=setting.metadata["value"],
            default=argparse.SUPPRESS,
            help=described if shown else argparse.SUPPRESS,
        )


def _describe_commands(commands: Any) -> None:
    about = "Finds the server and its secret by the server's own flags and variables."
    backup = commands.add_parser(
        "backup", help="copy the database of a server that may be running", epilog=about
    )
    backup.add_argument("file", metavar="FILE", nargs="?", default="", help="where to copy it")
    room = commands.add_parser(
        "room",
        help="show a room's settings, or change them at once",
        description="Shows the settings of a room, or changes those that are given, at once and "
        "for everybody in it. An empty text ('') resets one.",
        epilog=about,
    )
    room.add_argument("room", metavar="NAME", help="the room")
    for name, value, explained in (
        ("title", "TEXT", "what the room is called"),
        ("video-url", "URL", "what plays in it: mp4, webm or HLS, http(s) or a path here"),
        ("delay", "S", "seconds after which a comment is shown, to meet a stream that is late"),
        ("slow-mode", "S", "seconds between two comments of one viewer; 0 is no wait"),
    ):
        room.add_argument(f"--{name}", metavar=value, help=explained)
    room.add_argument(
        "--server", metavar="URL", default="", help="where the server is (default: this machine)"
    )
    for command in (backup, room):
        _add_settings(command, shown=False)


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Read the settings; a bad one ends the program with one sentence and exit code 2."""
    return read_command(arguments, environment).settings


def read_command(arguments: Sequence[str], environment: Mapping[str, str]) -> Command:
    """Read what to do and with which settings, in any order; ends the program as above.

    Variables that are no settings are named on stderr, and change nothing.
    """
    parsed = vars(_build_parser().parse_args(arguments))
    settings = _choose({s.name: parsed.pop(s.name, None) for s in fields(Settings)}, environment)
    _warn_of_strangers(environment)
    return Command(parsed.pop("command") or "", parsed, settings)


def _warn_of_strangers(environment: Mapping[str, str]) -> None:
    """Say which variables look like settings and are none: somebody believes they are."""
    known = {variable(setting).removeprefix(PREFIX) for setting in fields(Settings)}
    for name, raw in sorted(environment.items()):
        if not raw or not name.startswith(PREFIX) or name.removeprefix(PREFIX) in known:
            continue
        near = difflib.get_close_matches(name.removeprefix(PREFIX), sorted(known), 1)
        advice = f"did you mean {PREFIX}{near[0]}?" if near else "see danmaku --help."
        print(f"danmaku: {name} is no setting and changes nothing; {advice}", file=sys.stderr)


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
            shown = "what was given" if setting.name == "secret" else repr(raw)
            print(f"danmaku: {where} {error}, and {shown} is not.", file=sys.stderr)
            raise SystemExit(2) from None
    return Settings(**chosen)
