"""A TCP proxy on loopback that delays, splits, resets or drops what passes through it."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from types import TracebackType

CHUNK = 4096


class Proxy:
    """Forwards connections to a port. Its faults can be changed at any time.

    Each piece has at most ``drip`` bytes and waits for up to ``delay`` seconds. While ``is_silent``
    everything is dropped, as when a cable is pulled.
    """

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self.drip = CHUNK
        self.is_silent = False
        self.port = 0
        self._target = port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._dice = random.Random(4)

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1")
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset_some(self) -> None:
        """Reset a third of the connections, in whatever they are doing."""
        for writer in list(self._writers):
            if self._dice.random() < 1 / 3:
                # With a linger time of 0 the kernel sends RST instead of FIN.
                linger = struct.pack("ii", 1, 0)
                raw = writer.get_extra_info("socket")
                with contextlib.suppress(OSError):
                    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                writer.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            self._writers.add(sink)
            task = asyncio.ensure_future(self._carry(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK):
                while data:
                    piece, data = data[: self.drip], data[self.drip :]
                    if self.delay:
                        await asyncio.sleep(self.delay * self._dice.random())
                    if not self.is_silent:
                        writer.write(piece)
                        await writer.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
