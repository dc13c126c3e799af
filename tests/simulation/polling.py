"""Viewers that poll, shortly or long, and post over HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.simulation.plan import ViewerPlan
from tests.simulation.stream import OPEN_SECONDS, Message, Stream, build_request
from tests.simulation.viewers import BEGINNING, Refused, Viewer
from tests.support.delivery_checker import Cursor, Joined, Received

if TYPE_CHECKING:
    from tests.simulation.world import World

POLL_SECONDS = 8.0
SHORT_SECONDS = 0.7
EARLY_SECONDS = 0.2


async def fetch(
    world: World, plan: ViewerPlan, request: bytes, seconds: float, opened: Any = None
) -> tuple[int, Message]:
    """Send one request on a connection of its own; return the response."""
    socket = world.network.dial(world.client_loop, plan.link, plan.address)
    stream = Stream(world.client_loop, socket)
    if opened is not None:
        opened(stream)
    try:
        async with asyncio.timeout(seconds):
            await stream.connect()
            stream.write(request)
            return await stream.read_response()
    finally:
        stream.close()


class Poller(Viewer):
    """Follows by polling; its posts are requests, each until it is answered."""

    def __init__(self, world: World, plan: ViewerPlan) -> None:
        super().__init__(world, plan)
        self._is_long = plan.kind == "long poll"
        self._posting: set[asyncio.Task[None]] = set()
        self._has_session = plan.number % 2 == 0

    async def follow_once(self) -> None:
        if self._has_session and not self.session:
            body = {"name": f"poller {self.plan.number}"}
            guest = await self._ask("POST", "/api/session", body)
            self.session = guest["session"]
            for ref in list(self.waiting):
                self.send_post(ref)
        while not self.is_leaving:
            after, began = self.cursor, self.loop.time()
            wait = POLL_SECONDS if self._is_long and not self.world.is_settling else 0
            path = f"/api/rooms/{self.plan.room}/entries?limit=50&wait={wait:g}"
            path += f"&poller=p{self.plan.number}"
            if after is not None:
                path += f"&after={after[0]}:{after[1]}"
            page = await self._ask("GET", path)
            if self.cursor != after:
                continue  # it has come back with another cursor meanwhile
            self.is_connected = True
            self._take_page(page, after, wait, self.loop.time() - began)
            if not self._is_long or not wait:
                await asyncio.sleep(SHORT_SECONDS * self.random.random())

    async def _ask(self, method: str, path: str, body: object = None) -> Message:
        request = build_request(method, path, body, self.session)
        seconds = OPEN_SECONDS + POLL_SECONDS
        status, answer = await fetch(self.world, self.plan, request, seconds, self._keep)
        if status >= 400:
            raise Refused(answer["error"]["code"], answer["error"]["retry_after"])
        return answer

    def _keep(self, stream: Stream) -> None:
        self._stream = stream

    def _met_a_stop(self, lasted: float) -> bool:
        """Return whether a server stopped meanwhile; the next may run when its answer comes."""
        host = self.world.host
        return host.is_stopping or host.stopped_at >= self.loop.time() - lasted

    def _take_page(self, page: Message, after: Cursor | None, wait: float, lasted: float) -> None:
        epoch, first, last, entries = page["epoch"], page["first"], page["last"], page["entries"]
        if epoch == "0":
            return  # the room does not exist yet
        if not page["recovered"] or not self.history.seen:
            after = (epoch, 0) if after == BEGINNING else after
            self.see(Joined(epoch, last, page["recovered"], entries, after))
        elif first <= last:
            self.see(Received(first, last, entries))
        elif wait and lasted < wait - EARLY_SECONDS and not self._met_a_stop(lasted):
            self.problems.append(f"woken for nothing: {self.name} after {lasted:.3f} s of {wait}")
        self.cursor = (epoch, last)

    def send_post(self, ref: str) -> None:
        if self._has_session and not self.session:
            return  # a ref belongs to its user: it waits for the session
        task = self.loop.create_task(self._post(ref))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def _post(self, ref: str) -> None:
        path = f"/api/rooms/{self.plan.room}/comments"
        body = {"ref": ref, "text": self.waiting[ref]}
        request = build_request("POST", path, body, self.session)
        try:
            status, answer = await fetch(self.world, self.plan, request, OPEN_SECONDS)
        except (OSError, EOFError, TimeoutError):
            self.loop.call_later(0.3, self._send_again, ref)
            return
        if status >= 400:
            error = answer["error"]
            self.take_reject(ref, error["code"], error["retry_after"])
        else:
            self.take_ack(ref, answer["epoch"], answer["seq"])
