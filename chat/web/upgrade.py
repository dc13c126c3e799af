"""Decides who may open a WebSocket connection, for the fast path and for Tornado's handler."""

from __future__ import annotations

from chat.core.handshake import Upgrade
from chat.core.reject import Code, Rejection, reject
from chat.core.room_state import Author
from chat.web.callers import Caller
from chat.web.handler import Services


def authorize_upgrade(services: Services, upgrade: Upgrade, caller: Caller) -> Author | Rejection:
    """Return the new guest who connects, or why the upgrade is refused.

    Both ways to upgrade call this, so a check that is added here cannot be missing in one of them.
    """
    if (rejection := services.callers.check(caller)) is not None:
        return rejection
    if (rejection := services.peers.admit_handshake(caller.address)) is not None:
        return rejection
    if services.hub.find_room(upgrade.room) is None and (
        rejection := services.peers.admit_opening(caller.address)
    ):
        return rejection
    return _create_guest(services, upgrade)


def _create_guest(services: Services, upgrade: Upgrade) -> Author | Rejection:
    """Return a new guest; the names of a room that is not open yet are checked at a post."""
    guest = services.guests.create_guest(upgrade.name)
    room = services.hub.find_room(upgrade.room)
    if isinstance(guest, Rejection) or room is None:
        return guest
    return room.staff_names.check(guest.user, guest.name) or guest


def explain_refusal(services: Services, upgrade: Upgrade, caller: Caller) -> Rejection:
    """Return why an upgrade would be refused, or ``not_a_websocket`` if it would not be.

    A browser hides the response to a failed handshake from scripts; they send a plain GET to the
    same address to learn the reason. It charges no budget of handshakes.
    """
    if (rejection := services.callers.check(caller)) is not None:
        return rejection
    opens_room = services.hub.find_room(upgrade.room) is None
    author = _create_guest(services, upgrade)
    return (
        services.peers.explain_handshake(caller.address, opens_room=opens_room)
        or (author if isinstance(author, Rejection) else None)
        or services.hub.check_room(upgrade.room)
        or services.connections.check_capacity()
        or reject(Code.NOT_A_WEBSOCKET)
    )
