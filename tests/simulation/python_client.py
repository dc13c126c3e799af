"""A viewer that is the program's own Python client, unchanged, over simulated sockets."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
from tornado.httpclient import HTTPClientError, HTTPRequest, _RequestProxy
from tornado.iostream import IOStream
from tornado.websocket import WebSocketClientConnection

from chat.client import Client, ClientClosed, ClientLimits, Missed, PostRejected
from chat.client.socket import MESSAGE_LIMIT
from chat.core.comment import Comment
from tests.simulation.plan import ViewerPlan
from tests.simulation.stream import Stream
from tests.simulation.viewers import RETRY_SECONDS, Viewer
from tests.support.delivery_checker import Cursor

if TYPE_CHECKING:
    from tests.simulation.world import World


class _TcpClient:
    """Takes the place of Tornado's TCPClient."""

    def __init__(self, viewer: ClientViewer) -> None:
        self._viewer = viewer

    async def connect(self, *_where: Any, max_buffer_size: int, **_how: Any) -> IOStream:
        viewer = self._viewer
        plan = viewer.plan
        socket = viewer.world.network.dial(viewer.loop, plan.link, plan.address)
        stream = Stream(viewer.loop, socket)
        try:
            await stream.connect()
        except BaseException:
            stream.close()
            raise
        viewer.keep(stream)
        return IOStream(socket, max_buffer_size=max_buffer_size)  # type: ignore[arg-type]

    def close(self) -> None:
        pass


class ClientViewer(Viewer):
    """Follows and posts with ``chat.client.Client``."""

    def __init__(self, world: World, plan: ViewerPlan) -> None:
        super().__init__(world, plan)
        self.received: list[Comment | Missed | Any] = []
        self._client: Client | None = None
        self._posting: set[asyncio.Task[None]] = set()
        self._sending: set[str] = set()

    def keep(self, stream: Stream) -> None:
        self._stream = stream

    async def follow(self) -> None:
        while not self.is_leaving:
            try:
                await self._follow_once()
            except ClientClosed as closed:
                if not self.is_leaving:
                    self.problems.append(f"ended: {self.name}: {closed}")
                    await asyncio.sleep(1)

    async def _follow_once(self) -> None:
        client = self._client = Client(
            f"ws://danmaku.test/ws/{self.plan.room}",
            history=self.plan.history,
            limits=ClientLimits(longest_delay=2.0),
            connect=self._connect,
            random=Random(self.plan.number),
        )
        async with client:
            self.is_connected = True
            for ref in list(self.waiting):
                self.send_post(ref)
            async for entry in client:
                self.world.timeline.record("client", self.name, repr(entry))
                self.received.append(entry)

    def _connect(self, request: HTTPRequest) -> Any:
        self.refused_as = ""
        proxy: Any = _RequestProxy(request, HTTPRequest._DEFAULTS)
        connection = WebSocketClientConnection(proxy, max_message_size=MESSAGE_LIMIT)
        connection.tcp_client = _TcpClient(self)  # type: ignore[assignment]
        connection.connect_future.add_done_callback(self._note_response)
        return connection.connect_future

    def _note_response(self, connecting: Any) -> None:
        error = None if connecting.cancelled() else connecting.exception()
        if isinstance(error, HTTPClientError) and error.response is not None:
            self.refused_as = msgspec.json.decode(error.response.body)["error"]["code"]

    def send_post(self, ref: str) -> None:
        if self._client is None or ref in self._sending:
            return  # the client itself sends it again
        self._sending.add(ref)
        task = self.loop.create_task(self._post(self._client, ref))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def _post(self, client: Client, ref: str) -> None:
        try:
            ack = await client.post(self.waiting[ref], ref=ref)
        except PostRejected as rejected:
            self._sending.discard(ref)
            self.take_reject(ref, rejected.code, rejected.retry_after)
        except ClientClosed:
            self._sending.discard(ref)
            self.loop.call_later(RETRY_SECONDS, self._send_again, ref)
        else:
            self.take_ack(ref, ack.epoch, ack.seq)

    def end_connection(self, how: str) -> None:
        # The socket belongs to the client: only the network can end it.
        if self._stream is not None:
            self._stream.socket.cut()

    def is_settled(self, head: Cursor) -> bool:
        cursor = None if self._client is None else self._client.cursor
        where = None if cursor is None else (cursor.epoch, cursor.seq)
        return not self.waiting and where == head

    def finish(self, how: str) -> None:
        self.is_leaving = True
        if self._client is not None:
            task = self.loop.create_task(self._client.close())
            self._posting.add(task)
            task.add_done_callback(self._posting.discard)
