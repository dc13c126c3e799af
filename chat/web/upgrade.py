"""Who may open a WebSocket connection: the one decision, for both ways to upgrade."""

from __future__ import annotations

from chat.core.handshake import Upgrade
from chat.core.reject import Code, Rejection, reject
from chat.core.room_state import Author
from chat.web.callers import Caller
from chat.web.handler import Services


def authorize_upgrade(services: Services, upgrade: Upgrade, caller: Caller) -> Author | Rejection:
    """Return who connects, or why they may not.

    Whatever an upgrade is refused for is checked here, so
    that no check can be missing in one of the two ways.
    """
    if (rejection := services.callers.refuse(caller)) is not None:
        return rejection
    if (rejection := services.peers.admit_handshake(caller.address)) is not None:
        return rejection
    if services.hub.find_room(upgrade.room) is None and (
        rejection := services.peers.admit_opening(caller.address)
    ):
        return rejection
    return services.guests.create_guest(upgrade.name)


def explain_refusal(services: Services, upgrade: Upgrade, caller: Caller) -> Rejection:
    """Return why an upgrade would be refused, or that this is none.

    A browser tells its scripts nothing about a handshake that failed; they ask by a plain GET.
    """
    author = authorize_upgrade(services, upgrade, caller)
    if isinstance(author, Rejection):
        return author
    refusal = services.hub.refuse_room(upgrade.room) or services.connections.refuse()
    return refusal or reject(Code.NOT_A_WEBSOCKET)
