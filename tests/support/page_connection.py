"""The pages' connection, run in Node, and a record of its events."""

from __future__ import annotations

import asyncio
import json
from types import TracebackType
from typing import Any

from tests.support.javascript import NODE, ROOT

MODULE = ROOT / "static/js/connection/connection.js"
PROGRAM = ROOT / "tests/support/page_connection.mjs"
WAIT_SECONDS = 15


class PageConnection:
    """A started ``Connection``; ``options`` are those of its constructor.

    ``events`` are all that came, each (type, detail).
    """

    def __init__(self, **options: Any) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._options = options
        self._seen = 0
        self._has_ended = False
        self._came = asyncio.Condition()

    async def __aenter__(self) -> PageConnection:
        arguments = (PROGRAM, MODULE.as_uri(), json.dumps(self._options))
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            NODE, *arguments, stdin=pipe, stdout=pipe, limit=1 << 20
        )
        self._reader = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert await self._process.wait() == 0, "the program failed"
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            kind, detail = json.loads(line)
            async with self._came:
                self.events.append((kind, detail))
                self._came.notify_all()
        async with self._came:
            self._has_ended = True
            self._came.notify_all()

    def call(self, method: str, *values: Any) -> None:
        """Call a method of the connection."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([method, *values]).encode() + b"\n")

    async def wait_for(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return the next event of a kind with these fields, of those not waited for yet."""
        async with asyncio.timeout(WAIT_SECONDS), self._came:
            while True:
                for number in range(self._seen, len(self.events)):
                    found, detail = self.events[number]
                    if found == kind and fields.items() <= detail.items():
                        self._seen = number + 1
                        return detail
                assert not self._has_ended, "the program ended"
                await self._came.wait()

    def details(self, kind: str) -> list[dict[str, Any]]:
        """Return all events of a kind that came."""
        return [detail for found, detail in self.events if found == kind]
