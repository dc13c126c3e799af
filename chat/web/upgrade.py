"""Who may open a WebSocket connection: the one decision, for both ways to upgrade."""

from __future__ import annotations

from chat.core.handshake import Upgrade
from chat.core.reject import Code, Rejection, reject
from chat.core.room_state import Author
from chat.web.handler import Services


def authorize_upgrade(services: Services, upgrade: Upgrade, address: str) -> Author | Rejection:
    """Return who connects, or why they may not.

    ``address`` is the peer's IP address. Whatever an upgrade is refused for is checked here, so
    that no check can be missing in one of the two ways.
    """
    if not services.allows_origin(upgrade.origin, upgrade.host):
        return reject(Code.FORBIDDEN_ORIGIN)
    if (rejection := services.peers.admit_handshake(address)) is not None:
        return rejection
    if services.hub.find_room(upgrade.room) is None and (
        rejection := services.peers.admit_opening(address)
    ):
        return rejection
    return services.guests.create_guest(upgrade.name)
