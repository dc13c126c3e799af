"""The plan of one day, drawn from its seed: who is there, what they do, and what goes wrong.

A plan is plain data. ``shrink`` removes parts of it; the choices that it leaves open are made by
the seed of the day while it runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.simulation.network import Link

KINDS = {
    "plain": 5,
    "deflated": 4,
    "long poll": 3,
    "short poll": 1,
    "client": 2,
    "slow": 2,
    "dead": 1,
    "hostile": 1,
}
FAULTS = {
    "kill": 6,
    "stop": 1,
    "stall": 2,
    "fail before": 4,
    "fail after": 4,
    "hang": 2,
    "full disk": 2,
    "unreadable": 2,
    "clock step": 1,
    "cut": 5,
    "silence": 2,
    "trim": 1,
}


@dataclass(frozen=True)
class ViewerPlan:
    """One viewer: its number, kind, room and address, when it comes, and its link."""

    number: int
    kind: str
    room: str
    address: str
    comes_at: float
    link: Link
    history: int


@dataclass(frozen=True)
class Act:
    """Something that happens at a time: by a viewer (``who``), or a fault."""

    number: int
    at: float
    kind: str
    who: int = -1
    value: Any = None


@dataclass(frozen=True)
class Plan:
    """One day: ``length`` seconds, then everything is well again and all viewers leave."""

    seed: int
    length: float
    is_encrypted: bool
    settings: dict[str, Any]
    hub: dict[str, Any]
    journal: dict[str, Any]
    busy: float
    tick: float
    commit_seconds: float
    stays_open: bool
    viewers: tuple[ViewerPlan, ...] = ()
    acts: tuple[Act, ...] = field(default=())

    def keep(self, viewers: set[int], acts: set[int]) -> Plan:
        """Return this plan with only these viewers and acts."""
        return replace(
            self,
            viewers=tuple(viewer for viewer in self.viewers if viewer.number in viewers),
            acts=tuple(
                act
                for act in self.acts
                if act.number in acts and (act.who < 0 or act.who in viewers)
            ),
        )


def draw_plan(seed: int) -> Plan:
    """Return the day of a seed."""
    random = Random(seed)
    length = random.choice([3.0, 6.0, 10.0, 20.0])
    is_quiet = random.random() < 0.2
    is_rough = not is_quiet and random.random() < 0.5
    rooms = [f"room{number}" for number in range(random.choice([1, 1, 2, 3]))]
    viewers = _draw_viewers(random, rooms, length, is_rough=is_rough)
    acts = _draw_acts(random, viewers, length)
    if not is_quiet:
        acts += _draw_faults(random, viewers, length)
    acts.sort(key=lambda act: act.at)
    return Plan(
        seed,
        length,
        is_encrypted=random.random() < 0.15,
        settings={
            "post_rate": random.choice([0, 0, 1.0, 5.0]),
            "post_burst": random.choice([3, 5, 10]),
            "delivery_rate": random.choice([0, 0, 200.0, 3.0]),
            "wave_gap_ms": random.choice([0, 20, 80]),
        },
        hub={
            "rooms": random.choice([2, 10_000]) if len(rooms) > 2 else 10_000,
            "grace_seconds": random.choice([0.5, 10.0]),
            "history": random.choice([2, 8, 30, 2_048]),
            "history_bytes": random.choice([4_000, 1 << 28, 1 << 28]),
            "refs": random.choice([2, 50_000, 50_000]),
            "resume": random.choice([5, 30, 300, 300]),
            "pollers": 20_000,
        },
        journal={
            "recent": random.choice([2, 20, 300, 300]),
            "batch": random.choice([2, 1_000, 1_000]),
            "pending": random.choice([8, 20_000, 20_000]),
            "commit_gap": random.choice([0.0, 0.008, 0.05]),
        },
        busy=random.choice([5e-6, 30e-6, 200e-6]),
        tick=random.choice([1e-7, 1e-6, 1e-3]),
        commit_seconds=random.choice([0.0005, 0.005, 0.05]),
        stays_open=random.random() < 0.04,
        viewers=tuple(viewers),
        acts=tuple(replace(act, number=number) for number, act in enumerate(acts)),
    )


def _draw_viewers(
    random: Random, rooms: list[str], length: float, *, is_rough: bool
) -> list[ViewerPlan]:
    count = random.choices([5, 6, 8, 10, 15, 30], [4, 4, 4, 3, 2, 1])[0]
    kinds = random.choices(list(KINDS), list(KINDS.values()), k=count)
    found = []
    for number, kind in enumerate(kinds):
        capacity = random.choice([4_096, 16_384, 131_072])
        found.append(
            ViewerPlan(
                number,
                kind,
                random.choice(rooms),
                f"10.0.1.{number + 1}" if random.random() < 0.7 else "127.0.0.1",
                0.0 if random.random() < 0.6 else random.uniform(0, length),
                Link(
                    latency=random.choice([0.0002, 0.002, 0.05]),
                    jitter=random.choice([0.0, 0.002, 0.1]),
                    capacity=random.choice([600, 2_048]) if kind in ("slow", "dead") else capacity,
                    short=random.choice([0.05, 0.3]) if is_rough else 0.0,
                    split=random.choice([0.05, 0.3]) if is_rough else 0.0,
                ),
                random.choice([0, 3, 50]),
            )
        )
    return found


def _draw_acts(random: Random, viewers: list[ViewerPlan], length: float) -> list[Act]:
    acts = []
    speakers = [viewer for viewer in viewers if viewer.kind not in ("dead", "hostile")]
    if not speakers:
        return []
    for _ in range(random.choices([4, 10, 20, 50], [4, 4, 3, 1])[0]):
        who = random.choice(speakers)
        at = random.uniform(min(who.comes_at + 0.2, length), length)
        count = random.choice([1, 1, 1, 2, 4])
        acts.append(Act(0, at, "post", who.number, (count, random.random() < 0.2)))
    for _ in range(random.choice([0, 2, 6])):
        who = random.choice(speakers)
        at = random.uniform(who.comes_at, length)
        how = random.choice(["close", "fin", "reset", "reset"])
        cursor = random.choice(["current", "current", "current", "old", "none", "bad"])
        away = random.choice([0.0, 0.05, 0.5, 3.0])
        acts.append(Act(0, at, "leave", who.number, (how, away, cursor)))
    for _ in range(random.choice([0, 1, 4])):
        who = random.choice(speakers)
        at = random.uniform(who.comes_at, length)
        kind = random.choice(["rename", "pause", "ping"])
        acts.append(Act(0, at, kind, who.number))
        if kind == "pause":
            acts.append(Act(0, at + random.uniform(0.01, 5), "resume", who.number))
    for _ in range(random.choice([0, 0, 1, 3])):
        room = random.choice(viewers).room
        settings = {"title": f"title {random.randrange(1000)}"}
        if random.random() < 0.3:
            settings = {"slow_mode": random.choice([0, 1])}
        acts.append(Act(0, random.uniform(0, length), "settings", value=(room, settings)))
    for _ in range(random.choice([0, 0, 1, 4])):
        room = random.choice(viewers).room
        acts.append(Act(0, random.uniform(0.5, length), "retract", value=(room, random.random())))
    for _ in range(random.choice([0, 0, 0, 2])):
        room, whose = random.choice(viewers).room, random.choice([None, random.random()])
        acts.append(Act(0, random.uniform(0.5, length), "clear", value=(room, whose)))
    return acts


def _draw_faults(random: Random, viewers: list[ViewerPlan], length: float) -> list[Act]:
    acts = []
    kinds = random.sample(list(FAULTS), random.choice([1, 2, 4]))
    for _ in range(random.choice([1, 2, 4, 8])):
        kind = random.choices(kinds, [FAULTS[kind] for kind in kinds])[0]
        at, who, value = random.uniform(0.1, length), -1, None
        if kind == "kill":
            # After a commit, or at any time; then so many callbacks later.
            value = (random.random() < 0.6, random.randrange(40), random.choice([0.05, 0.5, 3.0]))
        elif kind == "stop":
            value = random.choice([0.1, 1.0])
        elif kind == "stall":
            value = random.choice([0.2, 1.0, 5.0, 30.0])
        elif kind in ("fail before", "fail after"):
            value = random.choice([1, 1, 2, 5])
        elif kind == "hang":
            value = random.choice([1.0, 5.0, 20.0])
        elif kind in ("full disk", "unreadable"):
            value = random.choice([0.1, 1.0, 5.0])
        elif kind == "clock step":
            value = random.choice([-3_600_000, -1_000, 1_000, 86_400_000])
        elif kind in ("cut", "silence"):
            who = random.choice(viewers).number
            value = random.choice([0.5, 5.0, float("inf")])
        elif kind == "trim":
            value = random.uniform(0, 0.8)
        acts.append(Act(0, at, kind, who, value))
    return acts
