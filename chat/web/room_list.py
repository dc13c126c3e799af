"""The list of live rooms, encoded once a second for all requests."""

from __future__ import annotations

import math

from chat.core import responses, wire
from chat.core.entry import join_bodies
from chat.environment import Clock
from chat.hub import Hub
from chat.room import Room

MAX_ROOMS = 1_000
CARD_BYTES = 980

_COMMENT = b'{"kind":"comment",'
LAST_COMMENTS = 5
SEARCHED_ENTRIES = 50
FRESH_SECONDS = 1.0


class RoomList:
    """The cards of the rooms with the most viewers; each takes at most ``CARD_BYTES``."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub = hub
        self._clock = clock
        self._cards: list[bytes] = []
        self._made_at = -math.inf
        self._now = 0

    def read(self, limit: int) -> bytes:
        """Return the ``limit`` rooms with the most viewers as JSON."""
        now = self._clock.monotonic()
        if now - self._made_at >= FRESH_SECONDS:
            self._made_at, self._now = now, self._clock.unix_ms()
            self._cards = [_make_card(room) for room in self._hub.live_rooms(MAX_ROOMS)]
        return wire.encode(responses.RoomList(join_bodies(self._cards[:limit]), self._now))


def _make_card(room: Room) -> bytes:
    """Return a room's card, with as many of its newest comments as fit."""
    card = responses.RoomCard(room.name, room.viewer_count, room.title, join_bodies([]))
    space = CARD_BYTES - len(wire.encode(card))
    comments = [body for body in room.recent(SEARCHED_ENTRIES) if body.startswith(_COMMENT)]
    bodies = comments[-LAST_COMMENTS:]
    while bodies and sum(map(len, bodies)) + len(bodies) > space:
        bodies = bodies[1:]
    return wire.encode(responses.RoomCard(card.room, card.viewers, card.title, join_bodies(bodies)))
