"""All WebSocket connections of this process: opens, pings, counts and closes them."""

from __future__ import annotations

import asyncio
from random import Random

from tornado.iostream import IOStream

from chat.core.budgets import MESSAGES, RateBudget
from chat.core.handshake import Upgrade, build_upgrade_response
from chat.core.pace import is_stalled
from chat.core.reject import (
    BANNED,
    FULL,
    NOT_READ,
    RESTARTING,
    SILENT,
    SLOW,
    Code,
    Rejection,
    reject,
)
from chat.core.room_state import Author
from chat.environment import SYSTEM_CLOCK, SYSTEM_RANDOM, Clock
from chat.fanout.batch_cache import DEFLATE, PLAIN
from chat.hub import Hub
from chat.metrics import Metrics
from chat.room import Room
from chat.web.connection import Connection
from chat.web.frame_writer import FrameWriter
from chat.web.graceful_close import read_to_end
from chat.web.identity.expiry import TokenExpiry
from chat.web.identity.guests import GuestSessions
from chat.web.identity.tokens import Tokens
from chat.web.loop_share import LoopShare
from chat.web.peers import Peers

WRITE_BUFFER_LIMIT = 1_024 * 1_024
PING_SECONDS = 30
PONG_SECONDS = 10
CLOSE_SECONDS = 3.0
REFUSED_LIMIT = 1_000
RECONNECTS_PER_SECOND = 2_000


class Connections:
    """The open connections, and the services that all of them share.

    ``stalled`` are those whose streams have unsent bytes. ``max_viewers`` bounds the connections.
    ``count``: those that have not left; one that only waits for its peer to close is not counted.
    ``close_seconds``: how long a peer may take to reply to a close frame.
    """

    def __init__(
        self,
        hub: Hub,
        guests: GuestSessions,
        tokens: Tokens,
        metrics: Metrics,
        peers: Peers,
        max_viewers: int,
        close_seconds: float = CLOSE_SECONDS,
        message_budget: RateBudget = MESSAGES,
        refused_limit: int = REFUSED_LIMIT,
        clock: Clock = SYSTEM_CLOCK,
        random: Random = SYSTEM_RANDOM,
    ) -> None:
        self.hub = hub
        self.peers = peers
        self.message_budget = message_budget
        self.guests = guests
        self.tokens = tokens
        self.token_expiry: TokenExpiry[Connection] = TokenExpiry()
        self.metrics = metrics
        self.clock = clock
        self._random = random
        self.loop_share = LoopShare(clock.monotonic)
        # In the order in which they stalled.
        self.stalled: dict[FrameWriter, None] = {}
        self._max_viewers = max_viewers
        self.close_seconds = close_seconds
        self._refused_limit = refused_limit
        self._refused: set[asyncio.Task[None]] = set()
        # Connections are pinged in turn, a slot a second.
        self._slots: list[dict[Connection, asyncio.Task[None]]] = [{} for _ in range(PING_SECONDS)]
        self.count = 0
        self._opened = 0
        self._tick = 0
        hub.on_ban(self._close_banned)
        hub.on_shadow(self._show_own)
        metrics.watch("danmaku_connections", "WebSocket connections", lambda: self.count)
        metrics.watch(
            "danmaku_slow_viewers",
            "Connections with unsent bytes",
            lambda: len(self.stalled),
        )
        metrics.watch(
            "danmaku_waiting_messages",
            "Connections whose messages wait until others have been handled",
            lambda: len(self.loop_share),
        )
        metrics.watch(
            "danmaku_signed_in_viewers",
            "Connections on which a user has signed in with a token",
            lambda: len(self.token_expiry),
        )

    def open(
        self, stream: IOStream, room: Room, author: Author, upgrade: Upgrade, address: str
    ) -> None:
        """Accept an upgrade; a task follows the room over ``stream`` from now on.

        ``address`` is the client's, for its budgets. A connection over the limit gets
        ``bye`` and 1013: a browser cannot read the body of a refused handshake.
        """
        if stream.closed():
            return  # the peer disconnected while its room was being opened
        stream.max_write_buffer_size = WRITE_BUFFER_LIMIT
        stream.set_nodelay(True)
        encoding = DEFLATE if upgrade.deflate else PLAIN
        key = self.peers.add_connection(address)
        connection = Connection(
            stream, self, room, author, key, build_upgrade_response(upgrade), encoding
        )
        is_full = self.check_capacity() is not None
        self.count += 1
        if is_full:
            self.peers.remove_connection(key)
            if len(self._refused) >= self._refused_limit:
                connection.abort()
                return
            connection.close_gracefully(FULL, self._spread())
            ending = asyncio.get_running_loop().create_task(read_to_end(stream))
            self._refused.add(ending)
            ending.add_done_callback(self._refused.discard)
            return
        connection.ping_slot = self._opened % PING_SECONDS
        self._opened += 1
        run = connection.run(upgrade.cursor, upgrade.recent)
        self._slots[connection.ping_slot][connection] = asyncio.get_running_loop().create_task(run)

    def check_capacity(self) -> Rejection | None:
        """Return why no further connection is accepted now."""
        if self.count < self._max_viewers:
            return None
        return reject(Code.FULL, retry_after=self._spread())

    def forget(self, connection: Connection) -> None:
        """Drop a connection that has ended."""
        del self._slots[connection.ping_slot][connection]
        self.peers.remove_connection(connection.address_key)

    def sweep(self, now: float) -> None:
        """Ping some; close those that did not reply or made no progress; end expired tokens.

        Call once a second.
        """
        self._tick += 1
        for connection in list(self._slots[(self._tick - PONG_SECONDS) % PING_SECONDS]):
            # A stalled peer cannot have read the ping; it is closed as slow, not as silent.
            if connection.awaits_pong and connection not in self.stalled:
                connection.close_gracefully(SILENT, self._spread())
        for connection in list(self._slots[self._tick % PING_SECONDS]):
            connection.ping()
        for connection in self.token_expiry.pop_expired(self.tokens.now()):
            connection.end_token()
        for writer in list(self.stalled):
            if is_stalled(writer.progress_at, now):
                writer.close_gracefully(SLOW, self._spread())

    def reject_join(self, connection: Connection) -> None:
        """Close a connection whose missed entries cannot be read now; the client reconnects."""
        connection.close_gracefully(NOT_READ, self._spread())

    def _close_banned(self, room: Room, user: str) -> None:
        """Close the connections of a user who was banned from a room."""
        for slot in self._slots:
            for connection in list(slot):
                if connection.is_of(room, user):
                    connection.close_gracefully(BANNED, None)

    def _show_own(self, room: Room, user: str) -> None:
        """Send the connections of a user who is shadowed the user's own comments."""
        for slot in self._slots:
            for connection in slot:
                if connection.is_of(room, user):
                    connection.identify()

    async def stop(self) -> None:
        """Close all, and wait up to half of ``close_seconds`` for their peers."""
        tasks = [*self._refused, *(task for slot in self._slots for task in slot.values())]
        for slot in self._slots:
            for connection in list(slot):
                connection.close_gracefully(RESTARTING, self._spread())
        if tasks:
            _, waiting = await asyncio.wait(tasks, timeout=self.close_seconds / 2)
            for task in waiting:
                task.cancel()

    def _spread(self) -> float:
        """Return a random delay in seconds, so that clients do not reconnect all at once."""
        return round(self._random.uniform(1, 2 + self.count / RECONNECTS_PER_SECOND), 2)
