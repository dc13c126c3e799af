"""Faults that the simulation must find: each is one change of the program, tried on a copy of it.

    .venv/bin/python -m tests.simulation.mutants [--seeds 1000] [--only NAME ...]

For each mutant it prints after how many seeds a day failed. It exits with 1 if one was not found.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
CHUNK = 25
RUN = """
import sys
from tests.simulation.__main__ import run_seeds
first, seeds, chunk = map(int, sys.argv[1:])
for start in range(first, first + seeds, chunk):
    failed = run_seeds(list(range(start, min(start + chunk, first + seeds)))).failed
    if failed:
        seed = min(failed)
        print(seed - first + 1, failed[seed][0][:100].replace(chr(10), " "))
        break
"""


class Mutant(NamedTuple):
    """A change of a file; ``before`` occurs in it exactly once."""

    name: str
    file: str
    before: str
    after: str


MUTANTS = [
    # --- the journal and the room
    Mutant(
        "an ack is sent before the commit",
        "journal/local.py",
        "            await self._delivery.reconcile()\n            unsaved = [",
        "            for pending in batch:\n"
        "                if not pending.result.done():\n"
        "                    pending.result.set_result(AppendResult(1_000_000))\n"
        "            await self._delivery.reconcile()\n            unsaved = [",
    ),
    Mutant(
        "entries are acknowledged and not delivered",
        "journal/delivery.py",
        "            self.deliver(room, new.entries, new.acts)\n",
        "            pass\n",
    ),
    Mutant(
        "nothing is reconciled after a failed commit",
        "journal/local.py",
        "            self._delivery.mark_inconsistent({pending.room for pending in batch})\n",
        "",
    ),
    Mutant(
        "what is reconciled is never retried",
        "journal/local.py",
        "            asyncio.get_running_loop().call_later("
        "RECONCILE_RETRY_SECONDS, self._wake.set)",
        "            pass",
    ),
    Mutant(
        "entries that do not follow are delivered",
        "journal/delivery.py",
        "            if numbers and numbers[0] != last + 1:",
        "            if False:",
    ),
    Mutant(
        "a commit that failed is acknowledged",
        "journal/local.py",
        "                    failed = AppendFailed()\n"
        "                    failed.__cause__ = error\n"
        "                    pending.result.set_exception(failed)\n",
        "                    pending.result.set_result(AppendResult(1))\n",
    ),
    Mutant(
        "a delivery stops one entry early",
        "room.py",
        "        new = [numbered for numbered in entries if numbered.entry.seq > self.head]\n",
        "        new = [numbered for numbered in entries if numbered.entry.seq > self.head][:3]\n",
    ),
    Mutant(
        "a delivery that is repeated is applied twice",
        "room.py",
        "        new = [numbered for numbered in entries if numbered.entry.seq > self.head]\n",
        "        new = list(entries)\n",
    ),
    Mutant(
        "retries of a post in flight are not shared",
        "room.py",
        "            self._pending[key] = _PendingPost()\n",
        "            pass\n",
    ),
    Mutant(
        "an accepted ref is not remembered",
        "room.py",
        "            self._state.remember(author.user, post.ref, result.seq, "
        "self._clock.monotonic())\n",
        "            pass\n",
    ),
    Mutant(
        "a post that was withdrawn still counts",
        "core/room_state.py",
        '        """Undo the accounting of an admitted post that was not stored."""\n',
        "        return\n",
    ),
    Mutant(
        "the epoch of a cursor is not compared",
        "room.py",
        "        if cursor.epoch != self.epoch:",
        "        if False:",
    ),
    Mutant(
        "a cursor ahead of the room is accepted",
        "room.py",
        '        return "ahead" if cursor.seq > self.head else None',
        "        return None",
    ),
    Mutant(
        "a removed comment stays in the history",
        "core/room_state.py",
        "                history.replace(seq, encode_retracted(seq))\n",
        "                pass\n",
    ),
    Mutant(
        "a clear removes one comment less",
        "core/room_state.py",
        "            first, last = history.first, removal.before\n",
        "            first, last = history.first, removal.before - 1\n",
    ),
    Mutant(
        "a removed comment stays in encoded batches",
        "room.py",
        "                self._state.remove(entry)\n                self._audience.clear_cache()\n",
        "                self._state.remove(entry)\n",
    ),
    # --- joining and resuming
    Mutant(
        "a resume begins one entry late",
        "hub.py",
        "        newer = room.entries_in_memory(cursor.seq + len(older))\n",
        "        newer = room.entries_in_memory(min(room.head, cursor.seq + len(older) + 1))\n",
    ),
    Mutant(
        "a resume omits what only the archive has",
        "hub.py",
        "            older = await self._journal.read(room.name, cursor.seq, missing)\n",
        "            await self._journal.read(room.name, cursor.seq, missing)\n",
    ),
    Mutant(
        "entries that cannot be read are reported as trimmed",
        "hub.py",
        "            except ReadFailed:\n"
        "                return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)\n"
        "            if not bodies:",
        "            except ReadFailed:\n                bodies = []\n            if not bodies:",
    ),
    Mutant(
        "a viewer that left while it joined is added",
        "hub.py",
        "        if viewer.state is ViewerState.LEFT:\n            return None\n",
        "",
    ),
    Mutant(
        "the history has one entry less than it says",
        "core/history.py",
        "        return self._first - 1 <= seq <= self.head",
        "        return self._first - 2 <= seq <= self.head",
    ),
    # --- the fan-out
    Mutant(
        "a viewer leaves its group without its cursor",
        "fanout/send_group.py",
        "        viewer.position = Position(self.cursor, self.count_version)\n",
        "        viewer.position = Position(0, self.count_version)\n",
    ),
    Mutant(
        "the place of a viewer that left a group is not filled",
        "fanout/send_group.py",
        "        self._sends[index] = self._sends[-1]\n",
        "",
    ),
    Mutant(
        "the tail of a short send is dropped",
        "fanout/recipient.py",
        "        viewer.buffer_tail(memoryview(data)[accepted:])",
        "        viewer.buffer_tail(memoryview(data)[len(data):])",
    ),
    Mutant(
        "a batch is sent to a viewer that is not writable",
        "fanout/audience.py",
        "            if viewer.writable and self._members.is_lagging(viewer):\n"
        "                self._catch_up(viewer)\n                yield\n",
        "            if self._members.is_lagging(viewer):\n"
        "                self._send_batch(viewer, self._get_batch(viewer.position.cursor))\n"
        "                yield\n",
    ),
    Mutant(
        "a lagging viewer never catches up",
        "fanout/audience.py",
        "        while viewer.writable and (count or position.cursor < self.wave_head):",
        "        while False:",
    ),
    Mutant(
        "a viewer that resumes after a pause starts at the head",
        "fanout/audience.py",
        "            cursor = viewer.position.cursor\n            if viewer.writable and cursor",
        "            cursor = viewer.position.cursor = self.wave_head\n"
        "            if viewer.writable and cursor",
    ),
    Mutant(
        "a skip is not sent",
        "fanout/batch_cache.py",
        "            (skip, _), cursor, _, skipped = batch\n",
        "            _, cursor, _, skipped = batch\n",
    ),
    Mutant(
        "what was thinned is not counted",
        "fanout/batch_cache.py",
        "                thinned += 1\n",
        "                pass\n",
    ),
    Mutant(
        "a batch that was cut claims the whole range",
        "fanout/batch_cache.py",
        "                last = seq - 1\n                break\n",
        "                break\n",
    ),
    Mutant(
        "a batch of an earlier wave is used again",
        "fanout/batch_cache.py",
        "        self._omitted |= self._thinning.choose_omitted(first, last, now)\n"
        "        self._clear_batches()\n",
        "        self._omitted |= self._thinning.choose_omitted(first, last, now)\n",
    ),
    Mutant(
        "a viewer that leaves is counted for ever",
        "fanout/members.py",
        "            self._count -= 1\n",
        "",
    ),
    Mutant(
        "a paused viewer that leaves stays among the paused",
        "fanout/members.py",
        "            del (self._paused if viewer.state is ViewerState.PAUSED "
        "else self._lagging)[viewer]\n",
        "            self._lagging.pop(viewer, None)\n",
    ),
    Mutant(
        "a wave that ends schedules no other",
        "fanout/waves.py",
        "        timing.is_running = False\n        if audience in self._timings:\n"
        "            self.schedule(audience)\n",
        "        timing.is_running = False\n",
    ),
    Mutant(
        "a new count is never announced",
        "fanout/viewer_count.py",
        "        return self._is_forced or count != self._announced "
        "or self.delivered != self.version",
        "        return False",
    ),
    # --- polling
    Mutant(
        "long polls are woken before their entries can be read",
        "fanout/pollers.py",
        "        self.notified_head = head\n        waiters",
        "        self.notified_head = head + 1\n        waiters",
    ),
    Mutant(
        "long polls are not woken",
        "fanout/pollers.py",
        "                waiter.set_result(None)\n            if not",
        "                pass\n            if not",
    ),
    Mutant(
        "a poller is counted for ever",
        "fanout/pollers.py",
        "            del self._until[poller]\n",
        "            pass\n",
    ),
    Mutant(
        "a long poll that ends keeps its place",
        "hub.py",
        "                await self._wait_for_entries(room, cursor.seq, wait)\n"
        "            finally:\n                self._long_polls -= 1\n",
        "                await self._wait_for_entries(room, cursor.seq, wait)\n"
        "            finally:\n                pass\n",
    ),
    # --- connections
    Mutant(
        "a viewer does not catch up when its socket has drained",
        "web/frame_writer.py",
        "        self._room.catch_up(self)",
        "        pass",
    ),
    Mutant(
        "a frame is sent between the parts of another",
        "web/frame_writer.py",
        "        if self.writable:\n            send_to(self, data)\n        else:",
        "        if not self._stream.closed():\n            send_to(self, data)\n        else:",
    ),
    Mutant(
        "a connection that ends stays in its room",
        "web/frame_writer.py",
        "        self._connections.hub.leave(self._room, self)\n",
        "",
    ),
    Mutant(
        "a connection that ended is still kept",
        "web/connections.py",
        "        del self._slots[connection.ping_slot][connection]\n",
        "",
    ),
    Mutant(
        "the reply to a post is not sent",
        "web/connection.py",
        "        else:\n            self.send_message(result)\n",
        "",
    ),
]


def copy_tree(folder: Path, mutant: Mutant) -> None:
    """Copy what the simulation needs, with one change. Raises ValueError if it does not apply."""
    for part in ("chat", "tests", "static", "templates"):
        ignored = shutil.ignore_patterns("__pycache__", "vendor", "browser", "loadtest")
        if part in ("static", "templates"):
            (folder / part).symlink_to(ROOT / part)
        else:
            shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    file = folder / "chat" / mutant.file
    source = file.read_text()
    if source.count(mutant.before) != 1:
        raise ValueError(f"{mutant.name}: {mutant.file} has {source.count(mutant.before)} of it")
    file.write_text(source.replace(mutant.before, mutant.after))


def try_mutant(mutant: Mutant, base: int, seeds: int) -> str:
    """Return after how many seeds it was found, and by what; empty if it was not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_tree(folder, mutant)
        first, end = base, base + seeds
        while first < end:
            done = run_in(folder, first, end - first)
            if done.returncode:
                return f"0 the simulation itself failed: {done.stderr.strip().splitlines()[-1]}"
            if not done.stdout:
                break
            number, _, violation = done.stdout.strip().partition(" ")
            seed = first + int(number) - 1
            # A day that fails without the mutant, too, shows nothing.
            if not run_in(ROOT, seed, 1).stdout:
                return f"{seed - base + 1} {violation}"
            first = seed + 1
    return ""


def run_in(folder: Path, first: int, seeds: int) -> subprocess.CompletedProcess[str]:
    """Run seeds on the tree in a folder until a day fails."""
    return subprocess.run(
        [sys.executable, "-c", RUN, str(first), str(seeds), str(CHUNK)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Let the simulation look for known faults.")
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--base", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[], help="parts of the names")
    options = parser.parse_args()
    chosen = [
        mutant
        for mutant in MUTANTS
        if not options.only or any(part in mutant.name for part in options.only)
    ]
    missed = 0
    with ThreadPoolExecutor(options.processes) as pool:
        found = pool.map(lambda one: try_mutant(one, options.base, options.seeds), chosen)
        for mutant, outcome in zip(chosen, found, strict=True):
            seeds, _, reason = outcome.partition(" ")
            missed += not outcome
            print(f"{seeds or 'not found':>9}  {mutant.name}  {reason}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} found within {options.seeds} seeds")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
