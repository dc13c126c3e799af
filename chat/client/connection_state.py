"""The state machine of a client's connection: (state, event, limits) -> (state, actions).

Pure: no clock, timer or network. ``static/js/connection/connection-state.js`` is the same state
machine for the pages; tests run both through ``tests/support/connection_states.json``.
"""

from __future__ import annotations

from typing import Literal

import msgspec

BLOCKED_BEFORE_POLLING = 2
FAILURES_BEFORE_OFFLINE = 3
# Bounds of the wait between two attempts, whatever the server sends.
LONGEST_FLOOR_MS = 5_000
LONGEST_HELD_MS = 600_000
# ``retry_after`` is the same for all viewers; ``reconnect_after`` is random already.
RETRY_JITTER = 1.5
# The reason that a close code means.
CLOSE_REASONS = {1013: "full", 4011: "too_many", 4503: "banned"}
# Statuses that mean that the server would upgrade, so a proxy prevents it.
UPGRADE_REQUIRED = 426
TEMPORARY = frozenset({408, 425, 429})
# The stored value to which each code refers.
REFUSED_VALUES = {
    "name_empty": "name",
    "name_too_long": "name",
    "name_taken": "name",
    "bad_cursor": "cursor",
}

Phase = Literal["idle", "connecting", "asking", "live", "waiting", "ended"]
VisibleState = Literal["connecting", "live", "offline"]


class StateLimits(msgspec.Struct, frozen=True):
    """Bounds of the waits, and how long a connection must last to reset the failures."""

    first_ms: float = 1_000
    longest_ms: float = 20_000
    held_ms: float = 10_000


class ConnectionState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a client's connection.

    ``polls``: it can fall back to polling. ``droppable``: stored values that are optional.
    ``failures`` in a row, and of them ``blocked`` WebSockets that failed without a reason.
    ``worked``: a WebSocket has been welcomed, last ``since``. ``held``: the server chose the wait.
    ``eager``: the viewer asked for this attempt. ``reason``: the code of the refusal.
    """

    phase: Phase = "idle"
    transport: Literal["websocket", "polling"] = "websocket"
    polls: bool = True
    droppable: tuple[str, ...] = ("name", "cursor")
    failures: int = 0
    blocked: int = 0
    worked: bool = False
    since: float = 0
    held: bool = False
    eager: bool = False
    reason: str = ""


class ByeTime(msgspec.Struct, frozen=True):
    """The ``reconnect_after`` of a ``bye``."""

    reconnect_after: float | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event, ``at`` milliseconds of a monotonic clock.

    ``start``, ``stop``, ``retry`` (by the viewer), ``online``, ``visible``, ``post``, ``due`` (the
    wait is over), ``welcome``, ``closed``, ``hole`` (entries are missing), ``refused`` (of a
    handshake or request), ``unexplained`` (it is unknown why a handshake failed).
    """

    type: str
    at: float = 0
    transport: Literal["websocket", "polling"] | None = None
    status: int = 0
    code: int | str = ""
    bye: ByeTime | None = None
    retry_after: float | None = None


class Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An action for the client.

    ``open`` a transport; ``close`` it; ``check`` (ping, and end it if nothing follows); ``ask`` why
    a handshake was refused; ``wait`` for a random time from ``least`` to ``most`` milliseconds,
    then report ``due``; ``drop`` a stored value that was refused.
    """

    type: str
    transport: str | None = None
    least: float | None = None
    most: float | None = None
    value: str | None = None


Step = tuple[ConnectionState, list[Action]]

CLOSE = Action(type="close")
CHECK = Action(type="check")


def visible_state(state: ConnectionState) -> VisibleState:
    """Return what a page shows of a state."""
    if state.phase == "live":
        return "live"
    if state.phase == "ended":
        return "offline"
    has_failed = state.reason or state.failures > FAILURES_BEFORE_OFFLINE
    return "offline" if has_failed and not state.eager else "connecting"


def step(state: ConnectionState, event: Event, limits: StateLimits) -> Step:
    """Return the state after an event, and the actions."""
    phase = state.phase
    is_under_way = phase in {"connecting", "asking"}
    match event.type:
        case "stop":
            return _change(state, phase="ended", reason=""), [CLOSE]
        case "start" | "retry" if not is_under_way and phase != "live":
            return _connect(_change(state, eager=True))
        case "online" | "visible" if phase == "waiting" and not state.held:
            return _connect(_change(state, eager=True))
        case "online" | "visible" if phase == "live":
            return state, [CHECK]
        case "post" if phase == "live" and state.transport == "websocket":
            # Over polling each post is a request of its own, which must get a response.
            return state, [CHECK]
        case "due" if phase == "waiting":
            return _connect(state)
        case "welcome" if phase in {"connecting", "live"}:
            return _welcome(state, event), []
        case "closed" if phase in {"connecting", "live"}:
            return _closed(_earn_back(state, event, limits), event, limits)
        case "hole" if phase == "live":
            return _fill_hole(_earn_back(state, event, limits), limits)
        case "refused" if is_under_way or phase == "live":
            return _refused(_earn_back(state, event, limits), event, limits)
        case "unexplained" if is_under_way:
            return _wait(_change(state, blocked=state.blocked + 1, reason=""), limits)
    return state, []


def _change(state: ConnectionState, **changes: object) -> ConnectionState:
    return msgspec.structs.replace(state, **changes)


def _connect(state: ConnectionState) -> Step:
    polls = state.polls and not state.worked and state.blocked >= BLOCKED_BEFORE_POLLING
    transport = "polling" if polls else "websocket"
    connecting = _change(state, phase="connecting", transport=transport, held=False)
    return connecting, [Action(type="open", transport=transport)]


def _welcome(state: ConnectionState, event: Event) -> ConnectionState:
    transport = event.transport or state.transport
    worked = state.worked or transport == "websocket"
    live = _change(state, phase="live", transport=transport, worked=worked, since=event.at)
    return _change(live, blocked=0, eager=False, reason="")


def _earn_back(state: ConnectionState, event: Event, limits: StateLimits) -> ConnectionState:
    """Reset the failures after a connection that lasted."""
    has_held = state.phase == "live" and event.at - state.since >= limits.held_ms
    return _change(state, failures=0) if has_held else state


def _closed(state: ConnectionState, event: Event, limits: StateLimits) -> Step:
    code, bye = event.code, event.bye
    reason = CLOSE_REASONS.get(code, "") if isinstance(code, int) else ""
    is_final = isinstance(code, int) and 4500 <= code <= 4999
    if is_final or (bye is not None and bye.reconnect_after is None):
        return _end(state, reason)
    if state.phase == "connecting" and state.transport == "websocket" and not bye and not reason:
        return _change(state, phase="asking"), [CLOSE, Action(type="ask")]
    after = None if bye is None else _seconds(bye.reconnect_after)
    return _wait(_change(state, blocked=_blocked(state), reason=reason), limits, after)


def _fill_hole(state: ConnectionState, limits: StateLimits) -> Step:
    if state.failures > 0:
        return _wait(state, limits)
    connecting, actions = _connect(_change(state, failures=1, eager=True))
    return connecting, [CLOSE, *actions]


def _refused(state: ConnectionState, event: Event, limits: StateLimits) -> Step:
    status, reason = event.status, str(event.code)
    value = REFUSED_VALUES.get(reason)
    if value in state.droppable:
        left = tuple(other for other in state.droppable if other != value)
        connecting, actions = _connect(_change(state, droppable=left))
        return connecting, [CLOSE, Action(type="drop", value=value), *actions]
    if status == UPGRADE_REQUIRED and state.polls:
        return _wait(_change(state, blocked=state.blocked + 1, reason=""), limits)
    after = _seconds(event.retry_after)
    if after is None and status < 500 and status not in TEMPORARY:
        return _end(state, reason)
    waiting = _change(state, blocked=_blocked(state), reason=reason)
    return _wait(waiting, limits, after, RETRY_JITTER)


def _blocked(state: ConnectionState) -> int:
    # After polling has failed, WebSocket is tried next.
    return BLOCKED_BEFORE_POLLING - 1 if state.transport == "polling" else state.blocked


def _end(state: ConnectionState, reason: str) -> Step:
    return _change(state, phase="ended", reason=reason), [CLOSE]


def _wait(
    state: ConnectionState, limits: StateLimits, after: float | None = None, jitter: float = 1
) -> Step:
    """Wait as long as the server asked, or with exponential back-off and jitter."""
    bound = min(limits.longest_ms, limits.first_ms * 2 ** min(state.failures, 16))
    least, most = bound / 2, bound
    if after is not None:
        floor = min(LONGEST_FLOOR_MS, bound / 2) if state.failures > 0 else 0
        least = max(floor, min(LONGEST_HELD_MS, after * 1000))
        most = least * jitter
    waiting = _change(
        state, phase="waiting", failures=state.failures + 1, held=after is not None, eager=False
    )
    return waiting, [CLOSE, Action(type="wait", least=least, most=most)]


def _seconds(value: float | None) -> float | None:
    """Return a time that the server sent, or None."""
    return value if value is not None and value >= 0 else None
