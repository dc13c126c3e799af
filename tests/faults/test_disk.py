"""The disk is slow to sync, fails, or is full: no false ack, and recovery without a restart."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat.client import Client, ClientLimits, PostRejected
from tests.support.recorded_clients import RecordedClients, read_archive
from tests.support.server_process import ServerProcess
from tests.support.tracing import Trace, strace

StartServer = Callable[..., ServerProcess]

MEBIBYTE = 1024 * 1024


def pid_of(server: ServerProcess) -> int:
    assert server.process is not None
    return server.process.pid


def test_nothing_is_acked_or_shown_before_it_is_synced(
    start_server: StartServer, room: str, tmp_path: Path
) -> None:
    server = start_server("--post-rate", "0")
    log = tmp_path / "trace"
    count = 30

    async def steps() -> None:
        async with RecordedClients(
            server.ws_url, room, posters=1, watchers=1, deflate=False
        ) as clients:
            watch = "trace=pwrite64,fdatasync,sendto"
            with strace(pid_of(server), "-y", "-s", "65536", "-e", watch, "-o", str(log)):
                for number in range(count):
                    word = f"word-{number:04}"
                    await clients.posters[0].post(word, ref=word)
                    await clients.wait_for_acks(number + 1 - len(clients.acked))
                await clients.flush()
        assert clients.violations(server.database) == []

    asyncio.run(steps())
    trace = Trace(log, r"word-\d{4}")
    assert trace.early == []
    assert len(trace.sent) == count
    # Each was acked before the next was posted, so each had a sync of its own.
    assert trace.syncs >= count


def test_failed_sync_rejects_the_post_and_is_logged(start_server: StartServer, room: str) -> None:
    server = start_server("--post-rate", "0")

    async def steps() -> None:
        async with RecordedClients(server.ws_url, room, posters=1, watchers=1) as clients:
            poster, watcher = clients.posters[0], clients.watchers[0]
            await poster.post("before")
            await clients.flush()
            stood = watcher.cursor
            fault = "inject=fdatasync:error=EIO"
            with strace(pid_of(server), "-e", "trace=fdatasync", "-e", fault, "-o", "/dev/null"):
                await poster.post("during")
                await poster.wait_until(lambda: len(poster.rejected) >= 2, 20)
                assert set(poster.rejected) == {"not_kept"}
                assert len(clients.acked) == 1
                assert watcher.cursor == stood
            await clients.flush()
            await poster.post("after")
            await clients.flush()
        assert clients.violations(server.database) == []
        kept = read_archive(server.database, room)
        assert sorted(body["text"] for body in kept.values()) == ["after", "before", "during"]

    asyncio.run(steps())
    server.take_log("the archive failed: .*disk I/O error")


class FullDisk:
    """A small disk of its own where it may be mounted, else a limit on the size of files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"
        mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
        self.is_mounted = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0

    def fill(self, server: ServerProcess) -> None:
        if self.is_mounted:
            with contextlib.suppress(OSError), self._filler.open("ab", buffering=0) as file:
                while True:
                    file.write(b"\0" * 4096)
            return
        wal = server.database.with_name(server.database.name + "-wal")
        limit = max(wal.stat().st_size, server.database.stat().st_size) + 8192
        resource.prlimit(pid_of(server), resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def free(self, server: ServerProcess) -> None:
        if self.is_mounted:
            self._filler.unlink()
            return
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(pid_of(server), resource.RLIMIT_FSIZE, unlimited)

    def close(self) -> None:
        if self.is_mounted:
            subprocess.run(["umount", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FullDisk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    made = FullDisk(folder)
    yield made
    made.close()


def test_full_disk_rejects_posts_serves_viewers_and_recovers_when_freed(
    disk: FullDisk, start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0", database=disk.folder / "danmaku.db")

    async def steps() -> None:
        async with RecordedClients(server.ws_url, room) as clients:
            async with clients.posting(100):
                await clients.wait_for_acks(50)
                disk.fill(server)
                poster = clients.posters[0]
                await poster.wait_until(lambda: len(poster.rejected) >= 3, 20)
                assert {code for viewer in clients.posters for code in viewer.rejected} == {
                    "not_kept"
                }
                # Watching goes on: who comes back gets what there is.
                joins = [watcher.joins for watcher in clients.watchers]
                for watcher in clients.watchers:
                    await watcher.leave()
                for watcher, before in zip(clients.watchers, joins, strict=True):
                    await watcher.wait_until(lambda w=watcher, b=before: w.joins > b, 10)
                disk.free(server)
                await clients.wait_for_acks(50)
            await clients.flush()
        assert clients.violations(server.database) == []

    asyncio.run(steps())
    server.take_log("the archive failed")
    assert server.stop() == 0


def test_python_client_retries_over_a_full_disk_within_its_limit(
    disk: FullDisk, start_server: StartServer, room: str
) -> None:
    server = start_server("--post-rate", "0", database=disk.folder / "danmaku.db")

    async def steps() -> None:
        url, no_patience = f"{server.ws_url}/ws/{room}", ClientLimits(patience_seconds=0)
        async with Client(url) as client, Client(url, limits=no_patience) as impatient:
            await client.post("before")
            disk.fill(server)
            posting = asyncio.ensure_future(client.post("during", ref="during"))
            with pytest.raises(PostRejected) as rejected:
                await impatient.post("given up", ref="ended")
            assert (rejected.value.code, rejected.value.ref) == ("not_kept", "ended")
            assert not posting.done()
            disk.free(server)
            assert (await posting).ref == "during"

    asyncio.run(asyncio.wait_for(steps(), 30))
    server.take_log("the archive failed")
    kept = read_archive(server.database, room)
    assert sorted(body["text"] for body in kept.values()) == ["before", "during"]
