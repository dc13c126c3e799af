"""The viewers of a room with a long-lived connection: their states, and which share a position.

Only this module changes a viewer's state, and only ``Members.remove`` removes a viewer.
"""

from __future__ import annotations

from chat.fanout.recipient import Position, Recipient, ViewerState
from chat.fanout.send_group import GROUP_LIMIT, SendGroup

SMALL_GROUPS = 4


class Members:
    """Every viewer is in a group, lagging with a position of its own, or paused."""

    def __init__(self) -> None:
        self._groups: list[SendGroup] = []
        # The group to which viewers are added, by encoding.
        self._open_groups: dict[int, SendGroup] = {}
        self._lagging: dict[Recipient, None] = {}
        self._paused: dict[Recipient, None] = {}
        self._count = 0
        self._compressed = 0

    def __len__(self) -> int:
        return self._count

    @property
    def following(self) -> int:
        """The number of viewers that are not paused."""
        return self._count - len(self._paused)

    @property
    def compressed(self) -> int:
        """The number of viewers that get compressed frames."""
        return self._compressed

    def list_groups(self) -> list[SendGroup]:
        """Return a copy of the list of groups."""
        return list(self._groups)

    def list_lagging(self) -> list[Recipient]:
        """Return a copy of the list of lagging viewers."""
        return list(self._lagging)

    def is_lagging(self, viewer: Recipient) -> bool:
        """Return whether a viewer follows outside of any group."""
        return viewer in self._lagging

    def add(self, viewer: Recipient, position: Position) -> None:
        """Add a viewer at a position; it lags until it joins a group."""
        viewer.state = ViewerState.FOLLOWING
        viewer.position = position
        self._lagging[viewer] = None
        self._count += 1
        self._compressed += viewer.encoding

    def remove(self, viewer: Recipient) -> bool:
        """Remove a viewer for good; return whether it was one."""
        self.leave_group(viewer)
        was_member = viewer.state in (ViewerState.FOLLOWING, ViewerState.PAUSED)
        if was_member:
            del (self._paused if viewer.state is ViewerState.PAUSED else self._lagging)[viewer]
            self._count -= 1
            self._compressed -= viewer.encoding
        viewer.state = ViewerState.LEFT
        return was_member

    def pause(self, viewer: Recipient) -> None:
        """Send nothing to a viewer until it resumes."""
        if viewer.state is ViewerState.FOLLOWING:
            self.leave_group(viewer)
            del self._lagging[viewer]
            self._paused[viewer] = None
            viewer.state = ViewerState.PAUSED

    def resume(self, viewer: Recipient) -> bool:
        """Let a paused viewer follow again, lagging; return whether it was paused."""
        if viewer.state is not ViewerState.PAUSED:
            return False
        del self._paused[viewer]
        self._lagging[viewer] = None
        viewer.state = ViewerState.FOLLOWING
        return True

    def join_group(self, viewer: Recipient, cursor: int, count_version: int) -> None:
        """Move a lagging viewer into a group if it is writable and at this position."""
        position = viewer.position
        if not (viewer.writable and viewer.is_plain_socket) or (
            position.cursor,
            position.count_version,
        ) != (cursor, count_version):
            return
        group = self._open_groups.get(viewer.encoding)
        if (
            group is None
            or (group.cursor, group.count_version) != (cursor, count_version)
            or len(group) >= GROUP_LIMIT
        ):
            self._drop_empty_groups()
            group = SendGroup(cursor, count_version, viewer.encoding, self._lagging)
            self._open_groups[viewer.encoding] = group
            self._groups.append(group)
        del self._lagging[viewer]
        group.add(viewer)

    def merge_small_groups(self) -> None:
        """Dissolve small groups if there are many: the next wave collects their viewers."""
        small = [group for group in self._groups if len(group) < GROUP_LIMIT // 2]
        if len(small) > SMALL_GROUPS:
            for group in small:
                group.clear()
        self._drop_empty_groups()

    def leave_group(self, viewer: Recipient) -> None:
        """Let a viewer follow outside of any group, from its own position."""
        if isinstance(viewer.position, SendGroup):
            viewer.position.remove(viewer)

    def _drop_empty_groups(self) -> None:
        self._groups = [group for group in self._groups if len(group)]
        self._open_groups = {key: group for key, group in self._open_groups.items() if len(group)}
