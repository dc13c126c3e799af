"""Shortens the history of a day that failed: fewer viewers, and fewer acts and faults."""

from __future__ import annotations

from collections.abc import Callable

from tests.simulation.plan import Plan

TRIES = 150


def shrink(plan: Plan, live: Callable[[Plan], list[str]], tries: int = TRIES) -> Plan:
    """Return a part of the plan that still has a violation of the same kind as its first one.

    ``live`` returns the violations of a plan. Halves are left out first, then smaller parts.
    """
    found = live(plan)
    if not found:
        return plan
    kind = _kind_of(found[0])
    acts = [act.number for act in plan.acts]
    viewers = [viewer.number for viewer in plan.viewers]
    left = tries

    def fails(viewers: list[int], acts: list[int]) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and any(
            _kind_of(sentence) == kind for sentence in live(plan.keep(set(viewers), set(acts)))
        )

    acts = _leave_out(acts, lambda some: fails(viewers, some))
    viewers = _leave_out(viewers, lambda some: fails(some, acts))
    acts = _leave_out(acts, lambda some: fails(viewers, some))
    return plan.keep(set(viewers), set(acts))


def _kind_of(violation: str) -> str:
    return violation.partition(":")[0]


def _leave_out(items: list[int], still_fails: Callable[[list[int]], bool]) -> list[int]:
    """Return a part of the items with which it still fails."""
    size = max(1, len(items) // 2)
    while items:
        place = 0
        while place < len(items):
            some = items[:place] + items[place + size :]
            if still_fails(some):
                items = some
            else:
                place += size
        if size == 1:
            break
        size //= 2
    return items


def name_parts(plan: Plan) -> str:
    """Return the text from which ``keep_parts`` makes this plan again."""
    return ",".join(
        [f"v{viewer.number}" for viewer in plan.viewers] + [f"a{act.number}" for act in plan.acts]
    )


def keep_parts(plan: Plan, parts: str) -> Plan:
    """Return the parts of a plan that are named: ``v3`` is a viewer, ``a5`` an act or fault."""
    names = parts.split(",")
    return plan.keep(
        {int(name[1:]) for name in names if name.startswith("v")},
        {int(name[1:]) for name in names if name.startswith("a")},
    )


def describe(plan: Plan) -> str:
    """Return a plan as a person reads it."""
    lines = [
        f"  {viewer.comes_at:8.3f} s  viewer {viewer.number} ({viewer.kind}) "
        f"comes to {viewer.room} with {viewer.link}"
        for viewer in plan.viewers
    ]
    for act in plan.acts:
        who = f"viewer {act.who}: " if act.who >= 0 else ""
        value = "" if act.value is None else f" {act.value}"
        lines.append(f"  {act.at:8.3f} s  {who}{act.kind}{value}")
    lines.append(f"  {plan.length:8.3f} s  all faults end; then everybody leaves")
    lines.append(f"  settings {plan.settings}, hub {plan.hub}, journal {plan.journal}")
    return "\n".join(sorted(lines[:-1]) + lines[-1:])
