"""Judges a day by what was recorded: the checker of the fault tests, and what only a world sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chat.client import Missed
from tests.simulation.python_client import ClientViewer
from tests.support.delivery_checker import Body, Cursor, check

if TYPE_CHECKING:
    from tests.simulation.world import World


def judge(world: World) -> list[str]:
    """Return one sentence for each violation."""
    archive = world.disk.read_all()
    histories = [history for viewer in world.viewers for history in viewer.histories]
    return [
        *world.errors,
        *(problem for viewer in world.viewers for problem in viewer.problems),
        *check(histories, archive),
        *_check_settings(world, archive),
        *_check_clients(world, archive),
    ]


def _check_settings(world: World, archive: dict[Cursor, Body]) -> list[str]:
    return [
        f"lost: {answer}"
        for answer in world.settings_answers
        if answer["seq"]
        and archive.get((answer["epoch"], answer["seq"]), {}).get("settings") != answer["settings"]
        and not _is_unchanged(answer, archive)
    ]


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
