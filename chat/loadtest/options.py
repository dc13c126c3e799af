"""What a load test is asked to do.

One frozen value, its command line, and the checks made before anything opens. A wrong value is a
`UsageError` whose text is one sentence. Nothing here opens a socket or starts a process.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from chat.core.handshake import MAX_HISTORY

TRANSPORTS = ("websocket", "long-poll", "short-poll")
PROFILES = ("steady", "burst", "storm")
ROOM_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
VIEWERS_WORTH_A_PROCESS = 500
BURST_SECONDS_NEEDED = 3


class UsageError(Exception):
    """A load test that cannot start as asked; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Options:
    """All that a load test needs to know.

    Times are in seconds, rates in 1/s, shares between 0 and 1.
    """

    url: str
    viewers: int = 1000
    rate: float = 10.0
    duration: float = 10.0
    processes: int = 0  # 0: chosen from the cores and the viewers, see `choose_processes`
    transport: str = "websocket"
    profile: str = "steady"
    poll_interval: float = 1.0
    slow: float = 0.0
    sample: float = 0.01
    compress: bool = False
    rooms: int = 1
    history: int = 50
    connect_rate: float = 2000.0
    settle: float = 10.0
    cpu_list: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        Target.of(self.url)
        for name, least in (
            ("viewers", 1),
            ("rooms", 1),
            ("processes", 0),
            ("history", 0),
            ("rate", 0),
            ("settle", 0),
        ):
            if not getattr(self, name) >= least:
                raise UsageError(f"--{name} must be {least} or more, not {getattr(self, name)}.")
        for name in ("duration", "connect_rate", "poll_interval"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise UsageError(f"--{name.replace('_', '-')} must be more than 0, not {value}.")
        for name in ("rate", "settle"):
            if not math.isfinite(getattr(self, name)):
                raise UsageError(f"--{name} must be a number, not {getattr(self, name)}.")
        if self.history > MAX_HISTORY:
            raise UsageError(f"--history must be {MAX_HISTORY} or less, not {self.history}.")
        for name in ("slow", "sample"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"--{name} must be between 0% and 100%.")
        if self.slow == 1 and self.rate > 0:
            raise UsageError(
                "With --slow 100% nobody is left to post; take a smaller share or --rate 0."
            )
        if self.transport not in TRANSPORTS:
            raise UsageError(
                f"--transport must be one of {', '.join(TRANSPORTS)}, not {self.transport}."
            )
        if self.profile not in PROFILES:
            raise UsageError(f"--profile must be one of {', '.join(PROFILES)}, not {self.profile}.")
        if self.profile == "burst" and self.duration < BURST_SECONDS_NEEDED:
            raise UsageError(
                f"--profile burst needs --duration {BURST_SECONDS_NEEDED} or more: "
                "a second of it is the burst."
            )
        if self.compress and self.transport != "websocket":
            raise UsageError(
                "--compress is WebSocket's permessage-deflate: take it with --transport websocket."
            )
        if self.rooms > self.viewers:
            raise UsageError(
                f"--rooms {self.rooms} needs at least as many --viewers, not {self.viewers}."
            )

    @property
    def target(self) -> Target:
        """The server and room of the URL."""
        return Target.of(self.url)

    @property
    def room_names(self) -> list[str]:
        """The one room of the URL, or `room-0`, `room-1` … when there are several."""
        room = self.target.room
        return [room] if self.rooms == 1 else [f"{room}-{number}" for number in range(self.rooms)]

    @property
    def slow_viewers(self) -> int:
        """How many viewers never read."""
        return max(1, round(self.viewers * self.slow)) if self.slow else 0

    def is_slow(self, viewer: int) -> bool:
        """Spread the slow ones evenly, so that every process and room has its share."""
        slow = self.slow_viewers
        return (viewer + 1) * slow // self.viewers > viewer * slow // self.viewers


@dataclass(frozen=True, slots=True)
class Target:
    """The server under test, taken apart from a `ws://host:port/ws/room` URL."""

    host: str
    port: int
    prefix: str  # what stands before /ws/room, for a server behind a path
    room: str

    @classmethod
    def of(cls, url: str) -> Target:
        """Take a URL apart. Raises UsageError."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 80
        except ValueError as problem:
            raise UsageError(f"{url} is not an address: {problem}.") from None
        if parts.scheme == "wss":
            raise UsageError(
                "The load tester speaks plain ws://: point it at the server itself, "
                "not at what ends TLS before it."
            )
        prefix, _, room = parts.path.rpartition("/ws/")
        if parts.scheme != "ws" or not host or "/ws/" not in parts.path:
            raise UsageError(
                f"{url} is not a room's address; it looks like ws://127.0.0.1:8888/ws/demo."
            )
        if not ROOM_NAME.match(room):
            raise UsageError(
                f"{room!r} is not a room name: small letters, digits, - and _, 64 at most."
            )
        return cls(host, port, prefix, room)

    @property
    def authority(self) -> str:
        """Host and port as HTTP writes them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def choose_processes(options: Options, descriptors: int, loopback: bool, cores: int) -> int:
    """How many processes hold the viewers, given how many `descriptors` one process may open.

    A server on the same machine is left a core; a process is not started for fewer viewers than it
    is worth. Polling viewers need a second connection to post with. Raises UsageError when the
    descriptors do not suffice.
    """
    spare = 64  # libraries, pipes, the epoll itself
    connections = 1 if options.transport == "websocket" else 2
    room_for = (descriptors - spare) // connections
    if room_for < 1:
        raise UsageError(
            f"A process may open only {descriptors} files here; raise it with ulimit -n 20000."
        )
    needed = math.ceil(options.viewers / room_for)
    if options.processes:
        if options.processes < needed:
            raise UsageError(
                f"{options.viewers} viewers in {options.processes} process(es) need more "
                f"than the {descriptors} open files each may have: "
                f"take --processes {needed}, or raise the limit with ulimit -n."
            )
        return min(options.processes, options.viewers)
    free_cores = max(1, cores - 1 if loopback else cores)
    worth = math.ceil(options.viewers / VIEWERS_WORTH_A_PROCESS)
    return max(needed, min(free_cores, worth))


def read_share(text: str) -> float:
    """`1%` -> 0.01."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share; write it like 1%")
    return float(match[1]) / 100


def read_cpu_list(text: str) -> tuple[int, ...]:
    """`1,4-6` -> (1, 4, 5, 6)."""
    cpus: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if not match:
            raise argparse.ArgumentTypeError(
                f"{text!r} is not a list of CPUs; write it like 1 or 0,2-3"
            )
        cpus.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    missing = cpus - os.sched_getaffinity(0)
    if missing:
        raise argparse.ArgumentTypeError(f"CPU {min(missing)} is not there for this process")
    return tuple(sorted(cpus))


@dataclass(frozen=True, slots=True)
class Invocation:
    """A command line read: the options, and where the outcome goes."""

    options: Options
    json: str | None
    report: str | None


def build_parser() -> argparse.ArgumentParser:
    """Return the command line with its help."""
    parser = argparse.ArgumentParser(
        prog="python -m chat.loadtest",
        description="Fill a room with viewers, let them post on a fixed schedule, "
        "and check that every viewer gets every comment in order, and how late.",
        epilog="Exit status: 0 all is well; 1 something was lost, out of order or unanswered, "
        "or fewer viewers connected than asked; 2 the test could not start as asked.",
    )
    defaults = {
        field: Options.__dataclass_fields__[field].default for field in Options.__dataclass_fields__
    }
    add = parser.add_argument
    add("url", help="the room, like ws://127.0.0.1:8888/ws/demo")
    add("--viewers", type=int, metavar="N", help="viewers to connect (%(default)s)")
    add(
        "--rate",
        type=float,
        metavar="R",
        help="comments a second, over all rooms together (%(default)s)",
    )
    add("--duration", type=float, metavar="S", help="seconds of posting (%(default)s)")
    add(
        "--processes",
        type=int,
        metavar="N",
        help="processes that hold the viewers (0: by cores and viewers)",
    )
    add("--transport", choices=TRANSPORTS, help="how viewers follow the room (%(default)s)")
    add(
        "--poll-interval",
        type=float,
        metavar="S",
        help="seconds between two short polls of a viewer (%(default)s)",
    )
    add(
        "--profile",
        choices=PROFILES,
        help="steady; burst: 100 times the rate for the middle second; "
        "storm: in the middle all viewers drop at once and come back as fast as they are let in, "
        "each process with up to 256 handshakes under way (%(default)s)",
    )
    add(
        "--slow",
        type=read_share,
        metavar="P%",
        help="share of viewers that stop reading once they are in (0%%)",
    )
    add(
        "--sample",
        type=read_share,
        metavar="P%",
        help="share of viewers checked entry by entry (1%%; one at least, 100 a process at most)",
    )
    add("--compress", action="store_true", help="negotiate permessage-deflate")
    add(
        "--rooms",
        type=int,
        metavar="N",
        help="spread viewers over N rooms: demo-0, demo-1 … (%(default)s)",
    )
    add(
        "--history",
        type=int,
        metavar="N",
        help="entries of history asked for on joining (%(default)s)",
    )
    add(
        "--connect-rate",
        type=float,
        metavar="R",
        help="viewers opened a second; a storm ignores it (%(default)s)",
    )
    add(
        "--settle",
        type=float,
        metavar="S",
        help="seconds to wait at the end for what is still on its way (%(default)s)",
    )
    add(
        "--cpu-list",
        type=read_cpu_list,
        metavar="LIST",
        help="run on these CPUs only, like 1 or 0,2-3",
    )
    add("--json", metavar="FILE", help="write all figures as JSON")
    add("--report", metavar="FILE", help="write one HTML page with charts")
    parser.set_defaults(**{name: value for name, value in defaults.items() if name != "url"})
    return parser


def read_arguments(arguments: list[str]) -> Invocation:
    """The command line as a value.

    Argparse itself exits with 2 on what it cannot read; UsageError is for the rest.
    """
    given = vars(build_parser().parse_args(arguments))
    json, report = given.pop("json"), given.pop("report")
    return Invocation(Options(**given), json, report)
