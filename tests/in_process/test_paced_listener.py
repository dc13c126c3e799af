"""Connections that arrive at once are accepted a few at a time, and all of them."""

from __future__ import annotations

import asyncio
import socket

from tornado.netutil import add_accept_handler, bind_sockets

from chat.web.paced_listener import ACCEPTS_PER_ITERATION, PacedListener

PEERS = 5 * ACCEPTS_PER_ITERATION + 1


def test_no_iteration_accepts_more_than_its_share_and_none_is_left_waiting() -> None:
    async def steps() -> None:
        listener = PacedListener(bind_sockets(0, "127.0.0.1")[0])
        peers = [socket.create_connection(listener.getsockname()) for _ in range(PEERS)]
        accepted: list[socket.socket] = []
        remove = add_accept_handler(listener, lambda peer, _address: accepted.append(peer))
        shares = []
        async with asyncio.timeout(10):
            while len(accepted) < PEERS:
                before = len(accepted)
                await asyncio.sleep(0)
                shares.append(len(accepted) - before)
        assert max(shares) == ACCEPTS_PER_ITERATION
        remove()
        for one in (listener, *peers, *accepted):
            one.close()

    asyncio.run(steps())
