"""Judges a day by what was recorded: the checker of the fault tests, and what only a world sees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from chat.client import Missed
from tests.simulation.python_client import ClientViewer
from tests.support.delivery_checker import Body, Cursor, check

if TYPE_CHECKING:
    from tests.simulation.world import World


def judge(world: World) -> list[str]:
    """Return one sentence for each violation."""
    archive = _read_archive(world)
    histories = [history for viewer in world.viewers for history in viewer.histories]
    return [
        *world.errors,
        *(problem for viewer in world.viewers for problem in viewer.problems),
        *check(histories, archive, world.disk.trimmed),
        *_check_answers(world, archive),
        *_check_log(world, archive),
        *_check_clients(world, archive),
    ]


def _check_answers(world: World, archive: dict[Cursor, Body]) -> Iterator[str]:
    """Check that what a host was told is done is stored."""
    for method, path, answer in world.answers:
        stored = archive.get((answer["epoch"], answer["seq"]), {})
        if method == "PATCH":
            settings = answer["settings"]
            if stored.get("settings") != settings and not _is_unchanged(answer, archive):
                yield f"lost: {answer} is {stored}"
        elif method == "DELETE":
            if stored.get("kind") != "retract" or not path.endswith(f"/{stored['target']}"):
                yield f"lost: {method} {path} is {stored}"
        elif stored.get("kind") not in ("clear", "clear_user"):
            yield f"lost: {method} {path} is {stored}"


def _check_log(world: World, archive: dict[Cursor, Body]) -> Iterator[str]:
    """Check that each act is stored together with its entry, and numbered without gaps."""
    for epoch, (count, numbers) in world.disk.acts().items():
        first = numbers[0] if numbers else count + 1
        if numbers != list(range(first, count + 1)):
            yield f"hole: the acts of {epoch} are {numbers} of {count}"
        done = [seq for (e, seq), body in archive.items() if e == epoch and _is_of_staff(body)]
        if len(done) != count:
            yield f"no act: {epoch} has {len(done)} entries of staff and {count} acts"


def _is_of_staff(body: Body) -> bool:
    return body["kind"] not in ("comment", "retracted")


def _read_archive(world: World) -> dict[Cursor, Body]:
    """Return every entry that was ever stored; of trimmed comments that were removed, no text."""
    stored = world.disk.trimmed | world.disk.read_entries()
    for (epoch, _), body in list(stored.items()):
        if body["kind"] in ("clear", "clear_user"):
            for (e, seq), other in world.disk.trimmed.items():
                is_cleared = e == epoch and seq <= body["before"] and "text" in other
                if is_cleared and body.get("user", other.get("user")) == other.get("user"):
                    stored[e, seq] = {"kind": "retracted", "seq": seq}
        elif body["kind"] == "retract" and (epoch, body["target"]) in world.disk.trimmed:
            stored[epoch, body["target"]] = {"kind": "retracted", "seq": body["target"]}
    return stored


def _is_unchanged(answer: Body, archive: dict[Cursor, Body]) -> bool:
    """A patch that changes nothing is answered with the head, whatever that is."""
    newest = {}
    for (epoch, seq), body in sorted(archive.items()):
        if epoch == answer["epoch"] and seq <= answer["seq"] and body["kind"] == "settings":
            newest = body["settings"]
    return newest == answer["settings"]


def _check_clients(world: World, archive: dict[Cursor, Body]) -> list[str]:
    """Check that the Python client gave each entry once and in order, and told of each gap."""
    found = []
    for viewer in world.viewers:
        if not isinstance(viewer, ClientViewer):
            continue
        last = 0
        for entry in viewer.received:
            if isinstance(entry, Missed):
                if entry.why in ("epoch", "ahead"):
                    last = 0
                elif entry.why != "thinned":
                    last = max(last, entry.last)
                continue
            if last and entry.seq <= last:
                found.append(f"again: {viewer.name} was given {entry.seq} after {last}")
            last = entry.seq
    return found
