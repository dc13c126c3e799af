"""The options of a load test, their command line, and the checks made before anything starts.

Every wrong value raises `UsageError` with one sentence. Nothing here opens a socket or a process.
"""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

from chat.core.handshake import MAX_HISTORY

VIEWERS_PER_PROCESS = 500  # fewer are not worth a process of their own
SPARE_DESCRIPTORS = 64  # libraries, pipes, the epoll itself
BURST_SECONDS_NEEDED = 3
TRANSPORTS = ("websocket", "long-poll", "short-poll")
PROFILES = ("steady", "burst", "storm")
PROFILE_HELP = """steady; burst: 100 times the rate for the middle second; storm: in the middle all
    viewers disconnect at once and reconnect as fast as the server lets them, with up to 256
    handshakes at a time in each process"""
POLL_HELP = "seconds between two short polls of a viewer"
PROCESSES_HELP = "processes that hold the viewers (0: by cores and viewers)"
SLOW_HELP = "share of viewers that stop reading once connected (0%%)"
CONNECT_RATE_HELP = "viewers opened a second; a storm ignores it"
SETTLE_HELP = "seconds to wait at the end for late answers and deliveries"
CPU_LIST_HELP = "run on these CPUs only, like 1 or 0,2-3"
SAMPLE_HELP = "share of viewers checked entry by entry (1%%; one at least, 100 a process at most)"


class UsageError(Exception):
    """The options of a load test are wrong; the message says what to change."""


def read_share(text: str) -> float:
    """`1%` -> 0.01."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%", text)
    if not match or float(match[1]) > 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share; write it like 1%")
    return float(match[1]) / 100


def read_cpu_list(text: str) -> tuple[int, ...]:
    """`1,4-6` -> (1, 4, 5, 6)."""
    if not re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of CPUs; write it like 0,2-3")
    ranges = [part.partition("-") for part in text.split(",")]
    cpus = {cpu for first, _, last in ranges for cpu in range(int(first), int(last or first) + 1)}
    if missing := cpus - os.sched_getaffinity(0):
        raise argparse.ArgumentTypeError(f"CPU {min(missing)} is not available to this process")
    return tuple(sorted(cpus))


def _option(
    default: object,
    help: str,
    metavar: str = "",
    least: float = 0,
    most: float = 1,
    *,
    read: Callable[[str], Any] | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare a field of `Options` that is a flag of the command line too, with its bounds."""
    shown = " (%(default)s)" if default and "(" not in help else ""
    argument: dict[str, object] = {"default": default, "help": help + shown}
    if isinstance(default, bool):
        argument["action"] = "store_true"
    elif choices:
        argument["choices"] = choices
    else:
        argument |= {"metavar": metavar, "type": read or type(default)}
    return field(default=default, metadata={"argument": argument, "bounds": (least, most)})


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a load test. Times in seconds, rates per second, shares from 0 to 1.

    Raises UsageError for values that are out of bounds or do not go together.
    """

    url: str
    viewers: int = _option(1000, "viewers to connect", "N", 1, 1_000_000)
    rate: float = _option(10.0, "comments a second, over all rooms together", "R", 0, 1_000_000)
    duration: float = _option(10.0, "seconds of posting", "S", 0.001, 1_000_000)
    processes: int = _option(0, PROCESSES_HELP, "N", 0, 1000)
    transport: str = _option("websocket", "how viewers follow the room", choices=TRANSPORTS)
    poll_interval: float = _option(1.0, POLL_HELP, "S", 0.001, 3600)
    profile: str = _option("steady", PROFILE_HELP, choices=PROFILES)
    slow: float = _option(0.0, SLOW_HELP, "P%", read=read_share)
    sample: float = _option(0.01, SAMPLE_HELP, "P%", read=read_share)
    compress: bool = _option(False, "negotiate permessage-deflate")
    rooms: int = _option(1, "spread viewers over N rooms: demo-0, demo-1 …", "N", 1, 1_000_000)
    history: int = _option(50, "entries of history asked for on joining", "N", 0, MAX_HISTORY)
    connect_rate: float = _option(2000.0, CONNECT_RATE_HELP, "R", 0.001, 1_000_000)
    settle: float = _option(10.0, SETTLE_HELP, "S", 0, 3600)
    cpu_list: tuple[int, ...] = _option((), CPU_LIST_HELP, "LIST", read=read_cpu_list)

    def __post_init__(self) -> None:
        Target.parse(self.url)
        for item in fields(self)[1:]:
            value, (least, most) = getattr(self, item.name), item.metadata["bounds"]
            is_known = not isinstance(value, str) or value in item.metadata["argument"]["choices"]
            _require(is_known, f"--{item.name} cannot be {value}.")
            if isinstance(value, int | float):
                flag = "--" + item.name.replace("_", "-")
                sentence = f"{flag} must be from {least:.9g} to {most:.9g}, not {value}."
                _require(least <= value <= most, sentence)
        _require(
            self.slow < 1 or self.rate == 0,
            "With --slow 100% no viewer is left to post; use a smaller share or --rate 0.",
        )
        _require(
            self.profile != "burst" or self.duration >= BURST_SECONDS_NEEDED,
            f"--profile burst needs --duration {BURST_SECONDS_NEEDED} or more, one for the burst.",
        )
        _require(
            not self.compress or self.transport == "websocket",
            "--compress is WebSocket's permessage-deflate: use --transport websocket.",
        )
        sentence = f"--rooms {self.rooms} needs at least as many --viewers, not {self.viewers}."
        _require(self.rooms <= self.viewers, sentence)

    @property
    def target(self) -> Target:
        """The server and room of the URL."""
        return Target.parse(self.url)

    @property
    def room_names(self) -> list[str]:
        """The one room of the URL, or `room-0`, `room-1` … when there are several."""
        room = self.target.room
        return [room] if self.rooms == 1 else [f"{room}-{number}" for number in range(self.rooms)]

    @property
    def slow_viewers(self) -> int:
        """The number of viewers that never read."""
        return max(1, round(self.viewers * self.slow)) if self.slow else 0

    def is_slow(self, viewer: int) -> bool:
        """Spread the slow ones evenly, so that every process and room has its share."""
        slow = self.slow_viewers
        return (viewer + 1) * slow // self.viewers > viewer * slow // self.viewers


def _require(is_met: bool, sentence: str) -> None:
    if not is_met:
        raise UsageError(sentence)


@dataclass(frozen=True, slots=True)
class Target:
    """The server under test, taken from a `ws://host:port/ws/room` URL."""

    host: str
    port: int
    prefix: str  # the path before /ws/room, for a server under a base path
    room: str

    @classmethod
    def parse(cls, url: str) -> Target:
        """Parse a URL. Raises UsageError."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 80
        except ValueError as problem:
            raise UsageError(f"{url} is not an address: {problem}.") from None
        prefix, path, room = parts.path.rpartition("/ws/")
        _require(
            parts.scheme != "wss",
            "The load tester supports only ws://: use the address of the server itself, "
            "not that of a proxy that terminates TLS.",
        )
        if parts.scheme != "ws" or not host or not path:
            example = "ws://127.0.0.1:8888/ws/demo"
            raise UsageError(f"{url} is not a room's address; it looks like {example}.")
        _require(
            bool(re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", room)),
            f"{room!r} is not a room name: a-z, 0-9, - and _, 64 characters at most.",
        )
        return cls(host, port, prefix, room)

    @property
    def authority(self) -> str:
        """Host and port as HTTP writes them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def choose_processes(options: Options, descriptors: int, loopback: bool, cores: int) -> int:
    """Return how many processes hold the viewers, when each may open `descriptors` files.

    A server on the same machine is left a core. Polling viewers need a second connection to post
    with. Raises UsageError when the descriptors do not suffice.
    """
    connections = 1 if options.transport == "websocket" else 2
    capacity = (descriptors - SPARE_DESCRIPTORS) // connections
    _require(
        capacity >= 1,
        f"A process may open only {descriptors} files here; raise it with ulimit -n 20000.",
    )
    needed = math.ceil(options.viewers / capacity)
    if options.processes:
        _require(
            options.processes >= needed,
            f"{options.viewers} viewers in {options.processes} process(es) need more "
            f"than the {descriptors} open files each may have: "
            f"use --processes {needed}, or raise the limit with ulimit -n.",
        )
        return min(options.processes, options.viewers)
    free_cores = max(1, cores - 1 if loopback else cores)
    return max(needed, min(free_cores, math.ceil(options.viewers / VIEWERS_PER_PROCESS)))


def read_arguments(arguments: list[str]) -> tuple[Options, str | None, str | None]:
    """Read a command line: the options, the file of `--json`, and that of `--report`.

    Raises UsageError; what argparse cannot read exits with status 2.
    """
    parser = argparse.ArgumentParser(
        prog="python -m chat.loadtest",
        description="Fill a room with viewers, let them post on a fixed schedule, "
        "and check that every viewer gets every comment in order, and how late they arrive.",
        epilog="Exit status: 0 no fault; 1 something was lost, out of order or unanswered, "
        "or too few viewers connected; 2 the options are wrong or no server answers.",
    )
    parser.add_argument("url", help="the room, like ws://127.0.0.1:8888/ws/demo")
    for item in fields(Options)[1:]:
        parser.add_argument("--" + item.name.replace("_", "-"), **item.metadata["argument"])
    parser.add_argument("--json", metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--report", metavar="FILE", help="write one HTML page with charts")
    given = vars(parser.parse_args(arguments))
    json, report = given.pop("json"), given.pop("report")
    return Options(**given), json, report
