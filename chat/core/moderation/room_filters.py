"""Which filters a room has, and whether they are in force: compiled, and in memory."""

from __future__ import annotations

from chat.core.moderation.filters import FilterSet, FilterVerdict
from chat.core.reject import Code, Rejection, reject

LOAD_SECONDS = 1.0


class RoomFilters:
    """The filters of one room, by the numbers of the acts that set them, 0 for none.

    ``newest``: the act that set the newest filters. ``loaded``: the act whose filters are in force.
    Until the first are loaded nothing is accepted, so that no comment goes unfiltered; later ones
    replace those in force when they are loaded.
    """

    __slots__ = ("compiled", "is_wanted", "loaded", "newest")

    def __init__(self) -> None:
        self.newest = 0
        self.loaded: int | None = 0
        self.compiled: FilterSet | None = None
        self.is_wanted = False

    @property
    def are_due(self) -> bool:
        """Whether the newest filters are not loaded."""
        return self.loaded != self.newest

    @property
    def size(self) -> int:
        """The memory that they take, in bytes."""
        return 0 if self.compiled is None else self.compiled.size

    def use(self, number: int, compiled: FilterSet | None) -> None:
        """Put the filters of an act in force; None if there are none."""
        self.loaded, self.compiled, self.is_wanted = number, compiled, False

    def drop(self) -> None:
        """Free their memory; they are to be loaded again when somebody posts."""
        if self.newest:
            self.loaded = self.compiled = None

    def check_ready(self) -> Rejection | None:
        """Return why no viewer may post now: the filters are not loaded yet."""
        if self.loaded is None or (self.newest and not self.loaded):
            self.is_wanted = True
            return reject(Code.BUSY, retry_after=LOAD_SECONDS)
        return None

    def check(self, text: str) -> FilterVerdict | None:
        """Decide on a text that ``clean_text`` has returned; None if nothing matches."""
        return None if self.compiled is None else self.compiled.check(text)
