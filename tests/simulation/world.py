"""One day of the world: its plan is carried out, then everything is well, and all leave."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any

from chat.core.comment import Role
from chat.core.room_state import Author
from chat.environment import Clock
from chat.web.identity.tokens import ANY_ROOM, Tokens
from tests.simulation.archive import Disk
from tests.simulation.faulty_disk import FaultyDisk
from tests.simulation.host import Host
from tests.simulation.judge import judge
from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import Link, Network
from tests.simulation.plan import Act, Plan, ViewerPlan
from tests.simulation.polling import Poller, fetch
from tests.simulation.python_client import ClientViewer
from tests.simulation.strangers import DeadViewer, HostilePeer
from tests.simulation.stream import build_request
from tests.simulation.timeline import Deadlock, Timeline
from tests.simulation.viewers import Viewer, WebSocketViewer
from tests.support.delivery_checker import Cursor

SETTLE_SECONDS = 90.0
LEAVE_SECONDS = 60.0
STOP_SECONDS = 10.0
# A poller counts as a viewer for ten seconds; then a room without viewers is open for five minutes.
IDLE_SECONDS = 330.0
TOKEN_SECONDS = 10_000_000.0
KINDS: dict[str, type[Viewer]] = {
    "plain": WebSocketViewer,
    "deflated": WebSocketViewer,
    "slow": WebSocketViewer,
    "long poll": Poller,
    "short poll": Poller,
    "client": ClientViewer,
    "dead": DeadViewer,
    "hostile": HostilePeer,
}
HOST_PLAN = ViewerPlan(999, "host", "", "10.0.9.9", 0.0, Link(), 0)
EXPECTED = ("the archive failed", "The archive failed")


@dataclass
class Outcome:
    """What a day came to: violations, and how much of everything was seen."""

    plan: Plan
    violations: list[str]
    trace: str
    seconds: float
    callbacks: int
    seen: Counter[str] = field(default_factory=Counter)
    log: list[str] = field(default_factory=list)


class World:
    """Everything that takes part in one day. ``errors``: what was logged and never should be."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.timeline = Timeline(Random(f"{plan.seed} world"))
        self.network = Network(self.timeline)
        self.disk = Disk()
        self.errors: list[str] = []
        self.faults = FaultyDisk(self.disk, self.timeline, plan.commit_seconds)
        self.host = Host(
            plan, self.timeline, self.network, self.disk, self.faults, self.errors.append
        )
        self.client_loop = SimulatedLoop(
            "clients", self.timeline, on_error=self.errors.append, busy=1e-6
        )
        self.viewers = [KINDS[viewer.kind](self, viewer) for viewer in plan.viewers]
        self.is_settling = False
        self.answers: list[tuple[str, str, dict[str, Any]]] = []
        self.seen: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._kill_after: int | None = None
        self._by_number = {viewer.plan.number: viewer for viewer in self.viewers}

    # --- the day ----------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Carry out the plan, and judge what was recorded."""
        with self._watch_log():
            try:
                self._run()
            except Deadlock as error:
                self.errors.append(f"deadlock: {error}")
        violations = judge(self)
        self.seen.update(self.faults.seen)
        for process in list(self.timeline.processes):
            process.kill()
        timeline = self.timeline
        return Outcome(
            self.plan, violations, timeline.trace, timeline.now, timeline.callbacks, self.seen
        )

    def _run(self) -> None:
        plan, timeline = self.plan, self.timeline
        self.host.start()
        for viewer in self.viewers:
            timeline.at(viewer.plan.comes_at, self._begin, viewer)
        for act in plan.acts:
            timeline.at(act.at, self._carry_out, act)
        timeline.run_until(lambda: False, plan.length)
        self._settle()
        if not timeline.run_until(self._is_settled, timeline.now + SETTLE_SECONDS):
            self.errors.append(f"not settled: {self._describe_unsettled()}")
        self._check_counts()
        for viewer in self.viewers:
            how = timeline.random.choice(["close", "fin", "reset"])
            self._call(viewer.finish, how)
        if not timeline.run_until(self._have_left, timeline.now + LEAVE_SECONDS):
            self.errors.append(f"not left: {self._count_left()}")
        if plan.stays_open:
            timeline.run_until(lambda: False, timeline.now + IDLE_SECONDS)
            if self.host.server is not None and (rooms := len(self.hub._rooms)):
                self.errors.append(f"leak: {rooms} rooms are open long after all have left")
        self._stop()

    def _begin(self, viewer: Viewer) -> None:
        self._tasks.append(self.client_loop.create_task(viewer.follow()))

    def _call(self, function: Any, *arguments: Any) -> None:
        """Let the clients do something, as a callback of theirs."""
        self.client_loop.call_soon(function, *arguments)

    def _settle(self) -> None:
        """End all faults, and let everybody come back and read what is missing."""
        self.is_settling = True
        self.timeline.record("settle")
        self.faults.heal()
        self.faults.on_commit = lambda: None
        if self.host.process is not None:
            self.host.process.end_stall()
        if not self.host.is_stopping:
            self.host.start()
        for viewer in self.viewers:
            self._call(viewer.resume)

    def _is_settled(self) -> bool:
        if self.host.server is None or self.host.is_stopping:
            return False
        heads = self.disk.heads()
        return all(self._is_viewer_settled(viewer, heads) for viewer in self.viewers)

    def _is_viewer_settled(self, viewer: Viewer, heads: dict[str, Cursor]) -> bool:
        if viewer.refused_as == "full" and not self._has_space:
            return True
        head = heads.get(viewer.plan.room, ("", 0))
        return viewer.is_settled(head) or (not head[1] and not viewer.waiting)

    @property
    def _has_space(self) -> bool:
        """Whether the server may open all rooms that somebody wants to enter."""
        rooms: int = self.plan.hub["rooms"]
        return len({viewer.room for viewer in self.plan.viewers}) <= rooms

    def _describe_unsettled(self) -> list[str]:
        heads = self.disk.heads()
        return [
            f"{viewer.name} at {viewer.cursor} of {heads.get(viewer.plan.room)}, {viewer.waiting}"
            for viewer in self.viewers
            if not self._is_viewer_settled(viewer, heads)
        ]

    @property
    def hub(self) -> Any:
        assert self.host.server is not None
        return self.host.server.connections.hub

    # --- the end ----------------------------------------------------------------------------------

    def _count_left(self) -> dict[str, int]:
        """Return what is still there of the viewers; empty when nothing is."""
        server, process = self.host.server, self.host.process
        if server is None or process is None:
            return {"no server": 1}
        counts = {
            "viewers": self.hub.count_viewers(),
            "connections": server.connections.count,
            "long polls": self.hub._long_polls,
            "sockets": len(process.sockets) - 1,
            "tasks": len(asyncio.all_tasks(process)) - self.host.count_background_tasks(),
            "stalled": len(server.connections.stalled),
            "pending": len(self.hub._journal._pending),
            "requests": len(server._pending_requests),
            "responses": len(server._responses._streams),
            "addresses": len(server.connections.peers._connections),
            "users": len(server.connections.peers._users),
        }
        return {name: count for name, count in counts.items() if count}

    def _have_left(self) -> bool:
        return not self._count_left()

    def _check_counts(self) -> None:
        pass

    def _stop(self) -> None:
        """Stop the server in order: it ends in time, and leaves nothing."""
        if self.host.process is None:
            return
        ended: list[None] = []
        self.host.stop(lambda: ended.append(None))
        if not self.timeline.run_until(lambda: bool(ended), self.timeline.now + STOP_SECONDS):
            self.errors.append("not stopped: the server did not end in time")

    # --- acts and faults --------------------------------------------------------------------------

    def _carry_out(self, act: Act) -> None:
        if self.is_settling:
            return
        viewer = self._by_number.get(act.who)
        self.seen[act.kind] += 1
        self.timeline.record("act", act.kind, act.who, act.value)
        if act.kind == "post" and viewer is not None:
            self._call(viewer.post, *act.value)
        elif act.kind == "leave" and viewer is not None:
            self._call(viewer.leave, *act.value)
        elif act.kind in ("rename", "pause", "resume", "ping") and viewer is not None:
            self._call(getattr(viewer, act.kind))
        elif act.kind == "settings":
            room, patch = act.value
            self._act_as_host("PATCH", f"{room}/settings", patch)
        elif act.kind in ("retract", "clear"):
            (self._retract if act.kind == "retract" else self._clear)(*act.value)
        elif act.kind == "kill":
            self._plan_kill(*act.value)
        elif act.kind == "stop":
            self.host.stop(lambda: self._restart_later(act.value))
        elif act.kind == "stall" and self.host.process is not None:
            self.host.process.stall(act.value)
        elif act.kind in ("fail before", "fail after"):
            self.faults.fail(act.kind.partition(" ")[2], act.value)
        elif act.kind == "hang":
            self.faults.hang(act.value)
        elif act.kind == "full disk":
            self.faults.fill(act.value)
        elif act.kind == "unreadable":
            self.faults.stop_reading(act.value)
        elif act.kind == "clock step":
            self.host.step_clock(act.value)
        elif act.kind == "trim":
            self._trim(act.value)
        elif act.kind in ("cut", "silence") and viewer is not None and viewer.socket is not None:
            self._break_connection(act.kind, viewer.socket, act.value)

    def _break_connection(self, kind: str, socket: Any, seconds: float) -> None:
        if kind == "silence":
            socket.fall_silent(seconds)
        else:
            socket.cut()

    def _plan_kill(self, after_commit: bool, callbacks: int, down: float) -> None:
        """Kill the server so many callbacks later, from now or from its next commit."""
        timeline = self.timeline

        def count_down(left: int) -> None:
            if self.host.process is None or self.is_settling:
                return
            if left > 0:
                self.host.process.call_soon(count_down, left - 1)
                return
            # As an event of its own: not within a callback of the process.
            timeline.at(timeline.now, die)

        def die() -> None:
            if self.host.process is not None and not self.is_settling:
                self.host.kill()
                self._restart_later(down)

        def begin() -> None:
            self.faults.on_commit = lambda: None
            timeline.at(timeline.now, count_down, callbacks)

        if after_commit:
            self.faults.on_commit = begin
        else:
            begin()

    def _restart_later(self, seconds: float) -> None:
        self.timeline.at(self.timeline.now + seconds, self.host.start)

    async def _ask_as_host(self, method: str, path: str, body: object = None) -> None:
        """Do something that only a host may do; what was answered is checked in the end."""
        clock = Clock(lambda: self.timeline.now, self.host.unix_ms)
        host = Author("host", "Host", Role.HOST)
        token = Tokens(self.host.keys, clock).sign(host, ANY_ROOM, TOKEN_SECONDS)
        request = build_request(method, f"/api/rooms/{path}", body, token)
        try:
            status, answer = await fetch(self, HOST_PLAN, request, 10.0)
        except (OSError, EOFError, TimeoutError):
            return
        self.timeline.record("host", status)
        if status == HTTPStatus.OK:
            self.answers.append((method, path, answer))

    def _act_as_host(self, method: str, path: str, body: object = None) -> None:
        asking = self._ask_as_host(method, path, body)
        self._tasks.append(self.client_loop.create_task(asking))

    def _retract(self, room: str, which: float) -> None:
        comments = self.disk.comments(room)
        if comments:
            seq, _ = comments[int(which * len(comments))]
            self._act_as_host("DELETE", f"{room}/comments/{seq}")

    def _clear(self, room: str, whose: float | None) -> None:
        comments = self.disk.comments(room)
        if comments:
            user = None if whose is None else comments[int(whose * len(comments))][1]
            self._act_as_host("POST", f"{room}/clear", {} if user is None else {"user": user})

    def _trim(self, share: float) -> None:
        process = self.host.process
        if process is None or self.host.server is None:
            return
        cutoff = self.host.unix_ms() - int(self.timeline.now * 1000 * share)
        trimming = process.create_task(self.hub._journal.trim(cutoff))
        trimming.add_done_callback(lambda done: done.cancelled() or done.exception())

    # --- the log ----------------------------------------------------------------------------------

    @contextmanager
    def _watch_log(self) -> Iterator[None]:
        """Take each traceback and each error in the log for a violation."""
        errors = self.errors

        class Watch(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                message = record.getMessage()
                if record.exc_info and record.exc_info[1]:
                    message += f": {record.exc_info[1]!r}"
                elif record.levelno < logging.ERROR or message.startswith(EXPECTED):
                    return
                errors.append(f"logged: {message}")

        loggers = [logging.getLogger(name) for name in ("chat", "tornado", "asyncio")]
        before = [(logger, logger.propagate, logger.level) for logger in loggers]
        watch = Watch()
        for logger in loggers:
            logger.addHandler(watch)
            logger.propagate = False
            logger.setLevel(logging.WARNING)
        try:
            yield
        finally:
            for logger, propagate, level in before:
                logger.removeHandler(watch)
                logger.propagate = propagate
                logger.setLevel(level)


def live(plan: Plan) -> Outcome:
    """Live through one day."""
    return World(plan).run()
