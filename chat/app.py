"""The composition root: builds, connects, starts and stops the parts of the server."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import signal
import socket
import sys
from dataclasses import dataclass
from random import Random

import msgspec
from tornado.netutil import bind_sockets

from chat.archive import Archive, ArchiveError
from chat.command_line import PROGRAM, read_command
from chat.commands import TOKEN_HOURS, first_room, make_link, run_command
from chat.core.budgets import MESSAGES, RateBudget
from chat.core.comment import Role
from chat.core.room_state import Author
from chat.descriptors import raise_descriptor_limit
from chat.environment import SYSTEM_CLOCK, SYSTEM_RANDOM, Clock
from chat.fanout.waves import Fanout
from chat.hub import Hub, HubLimits
from chat.journal import JournalError
from chat.journal.local import JournalLimits, LocalJournal
from chat.judge import Judge
from chat.load import LoadMonitor
from chat.log import configure_logging
from chat.metrics import Metrics
from chat.moderation import Moderation
from chat.settings import Settings
from chat.web.callers import Callers
from chat.web.certificate import REREAD_SECONDS, Certificate, CertificateError
from chat.web.connections import CLOSE_SECONDS, REFUSED_LIMIT, Connections
from chat.web.handler import Services
from chat.web.identity.guests import GuestSessions
from chat.web.identity.keys import Keys
from chat.web.identity.secret import SecretError, load_or_create_secret
from chat.web.identity.tokens import Tokens
from chat.web.judge_client import JudgeClient
from chat.web.paced_listener import PacedListener
from chat.web.peers import Peers
from chat.web.responses import RESPONSE_SECONDS, PendingResponses
from chat.web.room_list import RoomList
from chat.web.routes import build_application, find_folder
from chat.web.strings import Strings
from chat.web.ws import FastUpgradeServer

BACKLOG = 4_096
SEND_BUFFER = 128 * 1_024
READ_CHUNK = 4_096
HEADER_LIMIT = 16 * 1_024
BODY_LIMIT = 64 * 1_024
HEADER_SECONDS = 20.0
BODY_SECONDS = 20.0
SPARE_DESCRIPTORS = 200
LAST_DESCRIPTORS = 64
LAST_RESPONSE_SECONDS = 1.0
TRIM_SECONDS = 600.0
DAY = 86_400.0
STOP_SECONDS = 4.5

_log = logging.getLogger(__name__)


class ServerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a server that have no setting; tests use smaller ones. All times are in seconds.

    How long a peer may take to send the head (``header_seconds``) and the body (``body_seconds``)
    of a request, to read the response (``response_seconds``), and to answer a close frame
    (``close_seconds``). The intervals at which connections are swept (``sweep_seconds``) and the
    files of the certificate are checked (``certificate_seconds``). ``messages`` is the budget of a
    connection, ``refused`` the number of connections over the limit of viewers that are told so and
    closed in order at the same time.
    """

    hub: HubLimits = HubLimits()
    journal: JournalLimits = JournalLimits()
    sweep_seconds: float = 1.0
    close_seconds: float = CLOSE_SECONDS
    header_seconds: float = HEADER_SECONDS
    body_seconds: float = BODY_SECONDS
    response_seconds: float = RESPONSE_SECONDS
    certificate_seconds: float = REREAD_SECONDS
    messages: RateBudget = MESSAGES
    refused: int = REFUSED_LIMIT


class StartError(Exception):
    """The server cannot start; the message is one sentence for the operator."""


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a server takes from the machine. ``descriptors``: how many files it may open."""

    sockets: list[socket.socket]
    archive: Archive
    keys: Keys
    descriptors: int
    certificate: Certificate | None = None
    clock: Clock = SYSTEM_CLOCK
    random: Random = SYSTEM_RANDOM


def open_resources(settings: Settings) -> Resources:
    """Listen, open the database and read the secret; raises StartError and then leaves nothing."""
    if settings.judge_url and not settings.judge_secret:
        raise StartError("--judge-url requires --judge-secret, with which requests are signed.")
    descriptors = raise_descriptor_limit()
    if descriptors <= SPARE_DESCRIPTORS:
        raise StartError(
            f"The limit of open files is {descriptors} (ulimit -n); "
            f"it must be more than {SPARE_DESCRIPTORS}."
        )
    try:
        certificate = _load_certificate(settings)
    except CertificateError as error:
        raise StartError(str(error)) from None
    with contextlib.ExitStack() as undo:
        # Listen first: if the port is in use, no file must be created.
        sockets = _listen(settings)
        for listener in sockets:
            undo.callback(listener.close)
        try:
            archive = Archive(settings.database)
            undo.callback(archive.discard)
            keys = load_or_create_secret(settings.secret, archive.path)
        except (ArchiveError, SecretError) as error:
            raise StartError(str(error)) from None
        undo.pop_all()
    if archive.is_new:
        # Logged for operators who expected an existing one at this path.
        _log.info("a new database was created: %s", archive.path)
    return Resources(
        sockets=sockets,
        archive=archive,
        keys=keys,
        descriptors=descriptors,
        certificate=certificate,
    )


class Server:
    """A complete server on the running event loop; it owns its resources.

    ``port`` is the port it listens on, also when the settings ask for any free one.
    """

    def __init__(
        self, settings: Settings, resources: Resources, limits: ServerLimits | None = None
    ) -> None:
        self.settings = settings
        limits = limits or ServerLimits()
        self._sweep_seconds = limits.sweep_seconds
        self._certificate = resources.certificate
        self._certificate_seconds = limits.certificate_seconds
        self._sockets = resources.sockets
        self.port: int = self._sockets[0].getsockname()[1]
        self._clock = clock = resources.clock
        random = resources.random
        metrics = Metrics()
        metrics.watch("danmaku_tasks", "Tasks of the event loop", lambda: len(asyncio.all_tasks()))
        self._metrics = metrics
        self._load = LoadMonitor()
        self._journal = LocalJournal(resources.archive, metrics, limits.journal, clock, random)
        self._hub = Hub(
            settings,
            self._journal,
            Fanout(metrics, settings.wave_gap_ms / 1000, clock=clock),
            metrics,
            self._load,
            limits.hub,
            clock,
            _make_judge(settings, metrics),
        )
        guests = GuestSessions(resources.keys, random)
        tokens = Tokens(resources.keys, clock, random)
        peers = Peers(metrics, settings.max_per_address, clock)
        self._responses = PendingResponses(metrics, limits.response_seconds, clock)
        self.connections = Connections(
            self._hub,
            guests,
            tokens,
            metrics,
            peers,
            _cap_viewers(settings.max_viewers, resources.descriptors),
            limits.close_seconds,
            limits.messages,
            limits.refused,
            clock,
            random,
        )
        services = Services(
            settings=settings,
            clock=clock,
            callers=Callers(settings),
            hub=self._hub,
            moderation=Moderation(self._journal, self._clock),
            filtering=self._hub.filtering,
            room_list=RoomList(self._hub, clock),
            metrics=metrics,
            connections=self.connections,
            peers=peers,
            responses=self._responses,
            guests=guests,
            tokens=tokens,
            strings=Strings(find_folder("templates") / "strings"),
        )
        self._pending_requests = services.pending_requests
        self.http = FastUpgradeServer(
            build_application(services),
            services=services,
            descriptor_limit=resources.descriptors - LAST_DESCRIPTORS,
            ssl_options=self._certificate and self._certificate.context,
            chunk_size=READ_CHUNK,
            max_header_size=HEADER_LIMIT,
            max_body_size=BODY_LIMIT,
            max_buffer_size=2 * BODY_LIMIT,
            idle_connection_timeout=limits.header_seconds,
            body_timeout=limits.body_seconds,
        )
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start accepting connections, and start the background tasks."""
        self._hub.start()
        self._load.start()
        self.http.add_sockets(self._sockets)
        background_tasks = [self._sweep_forever()]
        if self.settings.keep_days:
            background_tasks.append(self._trim_forever(self.settings.keep_days * DAY))
        if self._certificate is not None:
            background_tasks.append(self._reload_forever(self._certificate))
        self._tasks = [asyncio.get_running_loop().create_task(task) for task in background_tasks]

    async def stop(self) -> None:
        """Stop in order: accept nothing new, deliver what is pending, close connections."""
        self.http.stop()
        self._load.stop()
        for task in self._tasks:
            task.cancel()
        await self._hub.stop()
        await self.connections.stop()
        if self._pending_requests:
            # Long polls that were just woken, and posts that were just stored.
            await asyncio.wait(self._pending_requests, timeout=LAST_RESPONSE_SECONDS)
        await self.http.close_all_connections()

    async def _sweep_forever(self) -> None:
        due = self._clock.monotonic() + self._sweep_seconds
        while True:
            await asyncio.sleep(max(0, due - self._clock.monotonic()))
            now = self._clock.monotonic()
            self._metrics.loop_lag_seconds.observe(max(0.0, now - due))
            try:
                self.connections.sweep(now)
                self._responses.sweep(now)
                self._hub.release_rooms(now)
            except Exception:
                _log.exception("the periodic sweep failed")
            due = max(due + self._sweep_seconds, now)

    async def _trim_forever(self, age: float) -> None:
        while True:
            with contextlib.suppress(JournalError):
                await self._journal.trim(self._clock.unix_ms() - int(age * 1000))
            await asyncio.sleep(TRIM_SECONDS)

    async def _reload_forever(self, certificate: Certificate) -> None:
        while True:
            await asyncio.sleep(self._certificate_seconds)
            certificate.reload()
            self.http.ssl_options = certificate.context  # for connections from now on


def _make_judge(settings: Settings, metrics: Metrics) -> Judge | None:
    if not settings.judge_url:
        return None
    fails_open = settings.judge_failure == "open"
    client = JudgeClient(settings.judge_url)
    return Judge(client.ask, settings.judge_secret, metrics, fails_open=fails_open)


def _listen(settings: Settings) -> list[socket.socket]:
    where = f"{settings.address}:{settings.port}"
    try:
        sockets = bind_sockets(settings.port, settings.address, backlog=BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(f"{where} is in use; choose another port with --port.") from None
        raise StartError(f"Cannot listen on {where}: {error.strerror}.") from None
    for listener in sockets:
        # Accepted sockets inherit it. Otherwise the kernel grows the buffer to megabytes, and a
        # viewer that reads nothing goes unnoticed for a long time.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return [PacedListener(listener) for listener in sockets]


def _load_certificate(settings: Settings) -> Certificate | None:
    if settings.certfile:
        return Certificate(settings.certfile, settings.keyfile)
    if settings.keyfile:
        raise StartError("--keyfile requires --certfile.")
    return None


def _cap_viewers(wanted: int, descriptors: int) -> int:
    """Return the maximum of viewers, keeping descriptors for polling, the archive and closing."""
    capacity = descriptors - SPARE_DESCRIPTORS
    if capacity < wanted:
        _log.warning(
            "at most %d viewers: the limit of open files is %d (ulimit -n)", capacity, descriptors
        )
    return min(wanted, capacity)


def _greet(server: Server) -> None:
    here = server.settings.url_at(server.port)
    print(f"danmaku is running. Open {here}/ for the lobby, or {here}/r/demo in several tabs.")
    path = server.settings.database_path
    stored_in = os.path.abspath(path) if path else "memory only"
    print(f"Comments are stored in {stored_in}. Press Ctrl-C to stop.", flush=True)


def _print_host_link(server: Server) -> None:
    """Print a link for the host of the first room; only to a terminal, never to a log."""
    if not sys.stdout.isatty():
        return
    settings, room = server.settings, first_room(server.settings)
    token = server.connections.tokens.sign(
        Author("host", "Host", Role.HOST), room, TOKEN_HOURS * 3600
    )
    link = make_link(settings, settings.url_at(server.port), room, token)
    print(f"Whoever opens this link within {TOKEN_HOURS:g} hours is the host of {room}:\n{link}")
    print("danmaku token makes others.", flush=True)


async def _serve(settings: Settings) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores SIGHUP
            loop.add_signal_handler(number, stopped.set)
    resources = open_resources(settings)
    is_first_start = resources.archive.is_new or resources.archive.in_memory
    server = Server(settings, resources)
    server.start()
    # Objects that live as long as the server need not be scanned by every collection.
    gc.collect()
    gc.freeze()
    _greet(server)
    if is_first_start:
        _print_host_link(server)
    await stopped.wait()
    try:
        await asyncio.wait_for(server.stop(), STOP_SECONDS)
    except TimeoutError:
        _log.error("the server did not stop within %s s", STOP_SECONDS)
        os._exit(1)  # a thread that waits for the disk would keep the process alive


def main() -> None:
    """Run a command, or serve until SIGINT, SIGTERM or SIGHUP; exits with 1 if it cannot start."""
    configure_logging()
    typed = os.path.basename(sys.argv[0])
    program = f"python {typed}" if typed.endswith(".py") else PROGRAM
    command = read_command(sys.argv[1:], os.environ, program)
    if command.name:
        raise SystemExit(run_command(command))
    try:
        asyncio.run(_serve(command.settings))
    except StartError as error:
        print(f"danmaku: {error}", file=sys.stderr)
        raise SystemExit(1) from None
