"""Reads the command line and the environment: which command, and with which settings.

No other module reads either. An error is one sentence that names what was typed, and exit code 2.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple, NoReturn

from chat import __version__
from chat.settings import PREFIX, Settings, SettingsError, flag, show_default, variable

PROGRAM = "danmaku"

_ROOM_OPTIONS = {
    "--title": ("TEXT", "title of the room"),
    "--video-url": (
        "URL",
        "video to play: mp4, webm or HLS; an http(s) address or a path on this server",
    ),
    "--delay": ("S", "seconds to hold comments back, to match a delayed stream"),
    "--slow-mode": ("S", "minimum seconds between two comments of a user; 0 turns it off"),
    "--who-may-post": ("WHO", "everyone, signed_in (users with a token) or moderators"),
    "--unique-seconds": ("S", "seconds in which a text cannot be posted twice; 0 turns it off"),
    "--links": ("ACTION", "allow, hold or reject comments with links"),
    "--max-length": ("N", "characters in a comment, at most 100"),
    "--hold-all": ("ON", "on: each comment waits for a moderator; off: none does"),
    "--report-threshold": ("N", "reports after which a comment is removed and held; 0: never"),
    "--server": ("URL", "URL of the server (default: on this machine)"),
}
_TOKEN_OPTIONS = {
    "--room": ("NAME", "room in which the token is valid; * means every room"),
    "--role": ("ROLE", "viewer, moderator, host or bot"),
    "--name": ("NAME", "name that is shown"),
    "--user": ("ID", "the user's id, which never changes (default: the name)"),
    "--hours": ("N", "hours until the token ends (default: 12)"),
    "--server": ("URL", "URL of the server, for the link (default: on this machine)"),
}
_COMMANDS: dict[str, Collection[str]] = {
    "room": _ROOM_OPTIONS,
    "token": _TOKEN_OPTIONS,
    "backup": (),
}
_WITHOUT_VALUE = ("-h", "--help", "--version")


class Command(NamedTuple):
    """A parsed command line: a command and its options; an empty ``name`` means serve."""

    name: str
    options: Mapping[str, Any]
    settings: Settings


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings; an invalid one prints one sentence and raises SystemExit(2)."""
    return read_command(arguments, environment).settings


def read_command(
    arguments: Sequence[str], environment: Mapping[str, str], program: str = PROGRAM
) -> Command:
    """Return the command and the settings; flags may precede or follow the command.

    Raises SystemExit(2) as ``read_settings`` does. Variables that begin with ``DANMAKU_`` but are
    not settings are reported on stderr and otherwise ignored. ``program`` is what the user types.
    """
    _check_words(arguments, program)
    parsed = vars(_build_parser(program).parse_args(arguments))
    settings = _choose({s.name: parsed.pop(s.name, None) for s in fields(Settings)}, environment)
    _report_unknown_variables(environment, program)
    return Command(parsed.pop("command") or "", parsed, settings)


def _fail(sentence: str) -> NoReturn:
    print(f"danmaku: {sentence}", file=sys.stderr)
    raise SystemExit(2)


def _advise(word: str, known: Collection[str], program: str) -> str:
    near = difflib.get_close_matches(word, sorted(known), 1)
    return f"did you mean {near[0]}?" if near else f"see {program} --help."


def _check_words(arguments: Sequence[str], program: str) -> None:
    """Report an unknown flag or command by name; argparse would name the word after it."""
    known = {flag(setting) for setting in fields(Settings)}
    command = ""
    words = iter(arguments)
    for word in words:
        name, has_value, _ = word.partition("=")
        if word == "--":
            return
        if not word.startswith("-"):
            if not command:
                if word not in _COMMANDS:
                    _fail(f"{word!r} is not a command; {_advise(word, _COMMANDS, program)}")
                command = word
                known |= set(_COMMANDS[command])
        elif name not in _WITHOUT_VALUE:
            if name not in known:
                if name in _ROOM_OPTIONS:
                    _fail(f"{name} belongs to a command: {program} room NAME {name} …")
                if name in _TOKEN_OPTIONS:
                    _fail(f"{name} belongs to a command: {program} token {name} …")
                _fail(f"{name} is not a flag; {_advise(name, known, program)}")
            if not has_value:
                next(words, None)


class _Parser(argparse.ArgumentParser):
    def __init__(self, **options: Any) -> None:
        def width_80(prog: str) -> argparse.HelpFormatter:
            return argparse.HelpFormatter(prog, max_help_position=30, width=80)

        super().__init__(allow_abbrev=False, formatter_class=width_80, **options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"danmaku: {message}. See {self.prog} --help.\n")


def _build_parser(program: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=program,
        usage=f"{program} [FLAG ...] [COMMAND]",
        description="A live danmaku server: viewers' comments fly across the video and reach "
        "everybody at once. Without flags it serves http://127.0.0.1:8888/ to this machine and "
        "stores comments in danmaku.db in the current directory.",
        epilog="Each flag can also be set by an environment variable: --wave-gap-ms is "
        "DANMAKU_WAVE_GAP_MS. A flag overrides its variable; an empty value means the default. "
        "docs/settings.md explains each setting, docs/operations.md how to deploy the server.",
    )
    parser.add_argument("--version", action="version", version=f"danmaku {__version__}")
    _add_settings(parser, shown=True)
    commands = parser.add_subparsers(
        dest="command",
        metavar="COMMAND",
        title="commands (without one, the server starts)",
        prog=program,
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
    room = commands.add_parser(
        "room",
        help="show or change a room's settings, while the server is running",
        description="Shows a room's settings, or changes the given ones. Changes take effect at "
        "once for everybody in the room. An empty value ('') resets a setting.",
        epilog=about,
    )
    room.add_argument("room", metavar="NAME", help="name of the room")
    for name, (value, explained) in _ROOM_OPTIONS.items():
        default = "" if name == "--server" else None
        room.add_argument(name, metavar=value, default=default, help=explained)
    backup = commands.add_parser(
        "backup",
        help="copy the database, even while the server is running",
        description="Copies the database to FILE, even while the server is running.",
        epilog=about,
    )
    backup.add_argument("file", metavar="FILE", nargs="?", default="", help="the copy to create")
    token = commands.add_parser(
        "token",
        help="sign a token for a user of a room, such as its host or a moderator",
        description="Prints a token, and on the next line a link that makes whoever opens it this "
        "user of the room.",
        epilog=about,
    )
    for name, (value, explained) in _TOKEN_OPTIONS.items():
        token.add_argument(name, metavar=value, default="", help=explained)
    for command in (room, token, backup):
        _add_settings(command, shown=False)


def _report_unknown_variables(environment: Mapping[str, str], program: str) -> None:
    """Report variables that look like settings but are not: probably misspelt."""
    known = {variable(setting) for setting in fields(Settings)}
    names = {name.removeprefix(PREFIX): name for name in known}
    for name, raw in sorted(environment.items()):
        if not raw or not name.startswith(PREFIX) or name in known:
            continue
        # Compared without the prefix, which makes everything look alike.
        near = difflib.get_close_matches(name.removeprefix(PREFIX), sorted(names), 1)
        advice = f"did you mean {names[near[0]]}?" if near else f"see {program} --help."
        print(f"danmaku: {name} is not a setting and is ignored; {advice}", file=sys.stderr)


def _choose(parsed: Mapping[str, str | None], environment: Mapping[str, str]) -> Settings:
    """Return the settings that were given; an empty value means the default."""
    chosen: dict[str, Any] = {}
    for setting in fields(Settings):
        raw, where = parsed[setting.name], flag(setting)
        if raw is None:
            raw, where = environment.get(variable(setting)), variable(setting)
        if not raw:
            continue
        try:
            chosen[setting.name] = setting.metadata["parse"](raw)
        except SettingsError as error:
            given = "" if setting.name == "secret" else f", not {raw!r}"
            _fail(f"{where} {error}{given}.")
    return Settings(**chosen)
