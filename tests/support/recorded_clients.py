"""Clients that reconnect after faults and record what they received, and the archive to compare."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.support.delivery_checker import (
    Acked,
    Body,
    Cursor,
    History,
    Joined,
    Received,
    Skipped,
    check,
)
from tests.support.room_admin import change_settings
from tests.support.server_metrics import read_seconds_queued
from tests.support.server_process import ServerProcess

RETRY_SECONDS = 0.1
LONGEST_RETRY = 1.0
OPEN_SECONDS = 10.0
FLUSH_SECONDS = 20.0
SETTINGS_SECONDS = 0.1

_numbers = itertools.count(1)


class Viewer:
    """Follows a room over any number of connections, as the page does, and records it."""

    def __init__(self, url: str, room: str, name: str, *, deflate: bool = True) -> None:
        self.history = History(name)
        self.cursor: Cursor | None = None
        self.user = ""
        self.waiting: dict[str, str] = {}  # texts by ref, not acked yet
        self.acked_at: list[float] = []
        self.rejected: list[str] = []
        self.joins = 0
        self._url = f"{url}/ws/{room}"
        self._deflate = "deflate" if deflate else None
        self._session = ""
        self._reconnect_after: float | None = None
        self._socket: ClientConnection | None = None
        self._changed = asyncio.Event()
        self._retries: set[asyncio.Task[None]] = set()

    async def follow(self) -> None:
        """Stay connected, and reconnect after each loss, until cancelled."""
        wait = RETRY_SECONDS
        while True:
            try:
                joins = self.joins
                self._reconnect_after = None
                await self._follow_once()
            except (OSError, WebSocketException, InvalidHandshake, TimeoutError, EOFError):
                pass
            wait = RETRY_SECONDS if self.joins > joins else min(LONGEST_RETRY, wait * 1.5)
            await asyncio.sleep(wait if self._reconnect_after is None else self._reconnect_after)

    async def post(self, text: str, ref: str | None = None) -> None:
        """Send now or after the next welcome, and again until it is answered."""
        ref = ref or f"r{next(_numbers)}"
        self.waiting[ref] = text
        await self._send_post(ref)

    async def wait_until(self, condition: Callable[[], bool], seconds: float) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def leave(self) -> None:
        """Close the connection; ``follow`` reconnects."""
        if self._socket is not None:
            await self._socket.close()

    async def _follow_once(self) -> None:
        after = self.cursor
        query = "?history=50" + (f"&cursor={after[0]}:{after[1]}" if after else "")
        async with connect(
            self._url + query,
            compression=self._deflate,
            open_timeout=OPEN_SECONDS,
            close_timeout=1,
            max_size=2**24,
        ) as socket:
            try:
                first = json.loads(await socket.recv())
                if first["type"] == "bye":
                    self._take(first)
                    return
                self._welcome(first, after)
                self._socket = socket
                if self._session:
                    await socket.send(json.dumps({"type": "auth", "token": self._session}))
                for ref in list(self.waiting):
                    await self._send_post(ref)
                async for data in socket:
                    self._take(json.loads(data))
            finally:
                self._socket = None

    async def _send_post(self, ref: str) -> None:
        if self._socket is not None and ref in self.waiting:
            message = {"type": "post", "ref": ref, "text": self.waiting[ref]}
            with contextlib.suppress(WebSocketException, OSError):
                await self._socket.send(json.dumps(message))

    async def _send_later(self, ref: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._send_post(ref)

    def _welcome(self, message: dict[str, Any], after: Cursor | None) -> None:
        assert message["type"] == "welcome", message
        epoch, seq = message["epoch"], message["seq"]
        self.history.seen.append(
            Joined(epoch, seq, message["recovered"], message["entries"], after)
        )
        self.cursor = (epoch, seq)
        self.user = self.user or message["user"]
        self._session = self._session or message["session"]
        self.joins += 1
        self._changed.set()

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "bye":
            # No fault here is a reason to close a connection for good.
            assert message["reconnect_after"] is not None, message
            self._reconnect_after = message["reconnect_after"]
            return
        assert self.cursor is not None
        if kind == "batch":
            assert message["epoch"] == self.cursor[0], message
            first, last = message["first"], message["last"]
            self.history.seen.append(
                Received(first, last, message["entries"], message.get("thinned", 0))
            )
            self.cursor = (self.cursor[0], last)
        elif kind == "skip":
            self.history.seen.append(Skipped(message["first"], message["last"]))
            self.cursor = (self.cursor[0], message["last"])
        elif kind == "ack":
            text = self.waiting.pop(message["ref"], None)
            if text is not None:
                self.history.acked.append(Acked(text, message["epoch"], message["seq"]))
                self.acked_at.append(time.monotonic())
        elif kind == "reject":
            self.rejected.append(message["code"])
            # Retry with the same ref, as the pages do.
            again = self._send_later(message["ref"], message["retry_after"] or RETRY_SECONDS)
            task = asyncio.ensure_future(again)
            self._retries.add(task)
            task.add_done_callback(self._retries.discard)
        elif kind == "identity":
            assert message["user"] == self.user, "a returning guest is another user"
        self._changed.set()


class Poller(Viewer):
    """Follows by long polling; it only watches.

    ``unanswered`` counts the polls that got neither a response nor an error within OPEN_SECONDS.
    """

    unanswered = 0

    async def _follow_once(self) -> None:
        is_first = True
        while True:
            after = self.cursor
            query = f"wait=5&limit=300&after={after[0]}:{after[1]}" if after else "limit=50"
            self._take_page(await self._ask(query), after)
            self.joins += is_first
            is_first = False
            self._changed.set()

    async def _ask(self, query: str) -> dict[str, Any]:
        # Not Tornado's HTTP client: it reports a reset within a body only at its timeout.
        url = urlsplit(self._url)
        path = url.path.replace("/ws/", "/api/rooms/")
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                reader, writer = await asyncio.open_connection(url.hostname, url.port)
                try:
                    head = f"GET {path}/entries?{query} HTTP/1.1\r\nHost: {url.netloc}\r\n"
                    writer.write(f"{head}Connection: close\r\n\r\n".encode())
                    response = (await reader.readuntil(b"\r\n\r\n")).decode()
                    length = re.search(r"^content-length: (\d+)", response, re.I | re.M)
                    assert length, response
                    body = json.loads(await reader.readexactly(int(length[1])))
                finally:
                    writer.close()
        except TimeoutError:
            self.unanswered += 1
            raise
        if "error" in body:
            raise OSError(body["error"]["message"])
        return body

    def _take_page(self, page: dict[str, Any], after: Cursor | None) -> None:
        epoch, first, last, entries = page["epoch"], page["first"], page["last"], page["entries"]
        if after is None or not page["recovered"]:
            self.history.seen.append(Joined(epoch, last, False, entries, after))
        elif first <= last:
            self.history.seen.append(Received(first, last, entries))
        self.cursor = (epoch, last)


class RecordedClients:
    """Posters and watchers of one room, and a check of what they recorded.

    async with RecordedClients(server.ws_url, room) as clients:
        async with clients.posting(200): ...
        await clients.flush()
    assert clients.violations(database) == []
    """

    def __init__(
        self,
        url: str,
        room: str,
        *,
        posters: int = 4,
        watchers: int = 4,
        pollers: int = 1,
        deflate: bool = True,
    ) -> None:
        self.room = room
        self.pollers = [Poller(url, room, f"poller {n}") for n in range(pollers)]
        self.posters, self.watchers = (
            [Viewer(url, room, f"{role} {n}", deflate=deflate) for n in range(count)]
            for role, count in (("poster", posters), ("watcher", watchers))
        )
        self.settings_responses: list[
            dict[str, Any]
        ] = []  # changes of the settings that were answered
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def everyone(self) -> list[Viewer]:
        return [*self.posters, *self.watchers, *self.pollers]

    @property
    def acked(self) -> list[Acked]:
        return [ack for viewer in self.posters for ack in viewer.history.acked]

    async def __aenter__(self) -> RecordedClients:
        self._tasks = [asyncio.ensure_future(viewer.follow()) for viewer in self.everyone]
        await self.wait_for_all(1)
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        for outcome in await asyncio.gather(*self._tasks, return_exceptions=True):
            if not isinstance(outcome, asyncio.CancelledError):
                raise AssertionError("a viewer's task ended by itself") from outcome

    async def wait_for_all(self, joins: int, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until every WebSocket client has joined ``joins`` times."""
        for viewer in self.posters + self.watchers:
            await viewer.wait_until(lambda viewer=viewer: viewer.joins >= joins, seconds)

    async def wait_for_acks(self, more: int, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until ``more`` further posts are acked."""
        enough = len(self.acked) + more
        await self.posters[0].wait_until(lambda: len(self.acked) >= enough, seconds)

    async def wait_for_new_posts(self, count: int) -> None:
        """Wait until ``count`` posts made from now on are acked."""
        under_way = sum(len(viewer.waiting) for viewer in self.posters)
        await self.wait_for_acks(under_way + count)

    def posting(self, rate: float) -> AbstractAsyncContextManager[None]:
        """Post ``rate`` comments a second in the background, also during faults."""
        return in_background(self._post_at_rate(rate))

    async def _post_at_rate(self, rate: float) -> None:
        due = time.monotonic()
        for viewer in itertools.cycle(self.posters):
            due += 1 / rate
            await asyncio.sleep(max(0, due - time.monotonic()))
            await viewer.post(f"{viewer.history.viewer} posts {next(_numbers)}")

    def changing_settings(self, server: ServerProcess) -> AbstractAsyncContextManager[None]:
        """Change the room's settings repeatedly in the background, also during faults."""
        return in_background(self._change_settings(server))

    async def _change_settings(self, server: ServerProcess) -> None:
        while True:
            title = f"title {next(_numbers)}"
            with contextlib.suppress(OSError, HTTPException):  # as with a post: it may be stored
                self.settings_responses.append(
                    await asyncio.to_thread(change_settings, server, self.room, title=title)
                )
            await asyncio.sleep(SETTINGS_SECONDS)

    async def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until every post is acked and every client has received it."""
        for viewer in self.posters:
            await viewer.wait_until(lambda viewer=viewer: not viewer.waiting, seconds)
        head = max((ack.seq for ack in self.acked), default=0)
        for viewer in self.everyone:
            await viewer.wait_until(
                lambda viewer=viewer: (viewer.cursor or ("", 0))[1] >= head, seconds
            )

    def violations(self, database: Path) -> list[str]:
        histories = [viewer.history for viewer in self.everyone]
        archive = read_archive(database, self.room)
        stored = {cursor: body.get("settings") for cursor, body in archive.items()}
        lost = [
            f"lost: {response}"
            for response in self.settings_responses
            if stored.get((response["epoch"], response["seq"])) != response["settings"]
        ]
        return lost + check(histories, archive)


@contextlib.asynccontextmanager
async def in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a coroutine in the background until the block ends."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def read_archive(database: Path, room: str) -> dict[Cursor, Body]:
    """Return all stored entries of a room."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT epoch, seq, body FROM entries JOIN rooms ON id = room_id WHERE name = ?",
            (room,),
        )
        return {(epoch, seq): json.loads(body) for epoch, seq, body in rows}


async def restart(server: ServerProcess, end: Callable[[], object]) -> float:
    """End a server, start it again, and return after how many seconds it was ready.

    Seconds in which it waited for a processor are not counted: they depend on the machine.
    """
    await asyncio.to_thread(end)
    began = time.monotonic()
    await asyncio.to_thread(server.start)
    return time.monotonic() - began - read_seconds_queued(server)
