"""A room that is open in this process: its state, its viewers, and its posts in flight."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec import Raw

from chat.core import wire
from chat.core.comment import Comment
from chat.core.entry import AnyEntry, Entry, NumberedEntry, decode_entry
from chat.core.moderation.acts import (
    Act,
    ClearAct,
    DecideAct,
    FiltersAct,
    HoldAct,
    LiftAct,
    NumberedAct,
    ReportAct,
    SanctionAct,
    SettingsAct,
)
from chat.core.moderation.held import HeldPost, HeldQueue
from chat.core.moderation.hidden import HiddenComments
from chat.core.moderation.room_filters import RoomFilters
from chat.core.moderation.sanctions import Sanctions
from chat.core.moderation.staff_names import StaffNames
from chat.core.reject import Code, Rejection, reject
from chat.core.responses import SettingsChanged
from chat.core.retraction import Removal
from chat.core.room_settings import SettingsChange, SettingsPatch, Shield, change
from chat.core.room_state import Author, RoomState
from chat.environment import Clock
from chat.fanout.audience import Audience
from chat.fanout.decision_feed import DecisionFeed
from chat.fanout.recipient import Recipient
from chat.fanout.staff_feed import StaffFeed, StaffMember
from chat.fanout.waves import Fanout
from chat.journal import AppendFailed, AppendResult, Busy, Journal
from chat.judge import Judge
from chat.metrics import Metrics
from chat.posts import BUSY_SECONDS, Outcome, Posts

REVEALED = 300


class Room:
    """One open room. Its state and its audience process an entry in the same step.

    ``delivery_rate`` is in comments a second, 0 for no limit. ``used_at`` is when the room was last
    used, on the monotonic clock. ``acts`` is the number of the newest act, ``filters`` that of the
    act that set its filters, 0 without one.
    """

    def __init__(
        self,
        state: RoomState,
        journal: Journal,
        fanout: Fanout,
        metrics: Metrics,
        *,
        delivery_rate: float,
        poller_limit: int,
        clock: Clock,
        judge: Judge | None = None,
        acts: int = 0,
        filters: int = 0,
    ) -> None:
        self._state = state
        self.name = state.name
        self.epoch = state.epoch
        self.used_at = clock.monotonic()
        self._clock = clock
        self._journal = journal
        self._fanout = fanout
        self._metrics = metrics
        self._history = state.history
        self._posts = Posts(state, journal, metrics, clock, judge)
        self.acts = acts
        state.filters.newest = filters
        self._staff = StaffFeed()
        self._decisions = DecisionFeed()
        self._settings_lock = asyncio.Lock()
        self._appending = 0  # acts that wait for the journal
        self._audience = Audience(
            state.epoch,
            state.history,
            state.encode_settings,
            fanout.schedule,
            metrics,
            delivery_rate,
            poller_limit,
        )

    @property
    def head(self) -> int:
        """The newest seq, 0 before the first entry."""
        return self._history.head

    @property
    def title(self) -> str:
        """The title, empty when it has none."""
        return self._state.settings.title

    @property
    def settings_json(self) -> Raw:
        return self._state.encode_settings()

    @property
    def sanctions(self) -> Sanctions:
        """Who may not post."""
        return self._state.sanctions

    @property
    def filters(self) -> RoomFilters:
        """Which texts are not accepted."""
        return self._state.filters

    @property
    def held(self) -> HeldQueue:
        """Which comments wait for a moderator."""
        return self._state.held

    @property
    def hidden(self) -> HiddenComments:
        """The shadowed comments."""
        return self._state.hidden

    @property
    def staff_names(self) -> StaffNames:
        """Which names nobody but the staff may use."""
        return self._state.staff_names

    @property
    def report_threshold(self) -> int:
        """How many reports remove a comment, 0 if reports never do."""
        return self._state.settings.report_threshold

    @property
    def viewer_count(self) -> int:
        """The number of viewers, by any transport."""
        return len(self._audience)

    @property
    def history_length(self) -> int:
        return len(self._history)

    @property
    def history_bytes(self) -> int:
        """The memory that the history takes, in bytes."""
        return self._history.size + self._state.hidden.size

    @property
    def is_unused(self) -> bool:
        """Whether it has no viewers and stores nothing at the moment."""
        return not self._appending and not self._posts.in_flight and not len(self._audience)

    @property
    def cached_bytes(self) -> int:
        """The size of the cached frames and recent histories, in bytes."""
        return self._audience.count_bytes()

    def count_refs(self) -> int:
        """Return the number of accepted posts whose retries are recognized from memory."""
        return self._state.count_refs()

    def count_limited(self) -> int:
        """Return the number of users whose posting budget is not full."""
        return self._state.count_limited()

    def count_slowed(self) -> int:
        """Return the number of users who posted within the wait of slow mode."""
        return self._state.count_slowed()

    # --- entries --------------------------------------------------------------------------------

    def apply(self, entries: Sequence[NumberedEntry], acts: Sequence[NumberedAct] = ()) -> None:
        """Add new entries from the journal and schedule a wave for them; send new acts to staff.

        What was applied before is ignored: the journal repeats a delivery that failed.
        """
        comments = 0
        new = [numbered for numbered in entries if numbered.entry.seq > self.head]
        for numbered in new:
            entry = numbered.entry
            self._history.append(entry.seq, numbered.body)
            if numbered.hidden is not None:
                self._state.hidden.add(numbered, self._history.first)
            if isinstance(entry, Comment):
                comments += 1
                if entry.role.is_staff:
                    self._state.staff_names.add(entry.user, entry.name)
            elif isinstance(entry, Removal):
                self._state.remove(entry)
                self._audience.clear_cache()
            elif isinstance(entry, SettingsChange):
                self._state.settings = entry.settings
        self._metrics.accepted.inc(comments)
        self._audience.add_entries(new)
        done = [one for one in acts if one.id > self.acts]
        if done:
            for one in done:
                self._apply_act(one.act)
            self.acts = done[-1].id
            self._staff.send(done)

    def _apply_act(self, act: Act) -> None:
        state = self._state
        if act.by and not isinstance(act, ReportAct):
            state.staff_names.add(act.by, act.by_name)
        if isinstance(act, SanctionAct | LiftAct):
            state.sanctions.apply(act)
        elif isinstance(act, FiltersAct):
            state.filters.newest = act.id
        elif isinstance(act, HoldAct | DecideAct | ClearAct):
            self._decisions.send(state.held.apply(act), self.epoch)

    async def find_entry(self, seq: int) -> AnyEntry | None:
        """Return the entry ``seq``, as moderators see it; None if there is none.

        Raises ReadFailed.
        """
        hidden = self._state.hidden.get(seq)
        body = self._history.get(seq) if hidden is None else hidden.body
        if body is None and 1 <= seq <= self.head:
            body = next(iter(await self._journal.read(self.name, seq - 1, 1)), None)
        return None if body is None else decode_entry(body).entry

    async def append_act(
        self, entry: Entry | None, act: Act, ref: str | None = None, payload: bytes = b""
    ) -> AppendResult | Rejection:
        """Store an act of staff, and the entry that it causes; returns once they are durable.

        ``payload`` is stored beside the act.
        """
        self._appending += 1
        try:
            return await self._journal.append(self.name, entry, ref, act, payload=payload)
        except Busy:
            return reject(Code.BUSY, retry_after=BUSY_SECONDS)
        except AppendFailed:
            return reject(Code.NOT_KEPT, retry_after=BUSY_SECONDS)
        finally:
            self._appending -= 1

    def shorten_history(self, size: int) -> int:
        """Drop all but the newest ``size`` entries from memory; return how many bytes were freed.

        Entries that have not been sent to all viewers stay. The dropped ones can still be read from
        the archive.
        """
        before = self.history_bytes
        self.trim(self.head - max(size, self._audience.count_waiting()))
        return before - self.history_bytes

    def trim(self, last: int) -> None:
        """Drop the entries up to ``last`` from memory, and the cached frames."""
        self._history.trim(last)
        self._state.hidden.trim(self._history.first)
        self._audience.clear_cache()

    def resolve_cursor(self, cursor: wire.Cursor | None) -> wire.Cursor | None:
        """Replace the cursor ``0:0``, the beginning of any room, by one with this room's epoch."""
        return wire.Cursor(self.epoch, 0) if cursor == wire.BEGINNING else cursor

    def resume_error(self, cursor: wire.Cursor) -> str | None:
        """Return why a cursor cannot be resumed from: ``epoch``, ``ahead``, or None if it can."""
        if cursor.epoch != self.epoch:
            return "epoch"
        return "ahead" if cursor.seq > self.head else None

    def entries_in_memory(self, after: int, limit: int | None = None) -> list[bytes] | None:
        """Return the bodies of the entries after a seq; None if the first is not in memory."""
        if not self._history.has_after(after):
            return None
        last = self.head if limit is None else min(self.head, after + limit)
        return self._history.slice(after + 1, last)

    def count_missing(self, after: int) -> int:
        """Return how many of the entries after a seq are no longer in memory."""
        return max(0, self._history.first - 1 - after)

    def recent(self, count: int) -> list[bytes]:
        """Return the newest bodies, at most ``count``, oldest first."""
        return self._history.recent(count)

    def recent_json(self, count: int) -> Raw:
        """Return the newest entries as JSON, at most ``count``; encoded once for all who join."""
        return self._audience.recent(count)

    # --- posts ----------------------------------------------------------------------------------

    def post(
        self, author: Author, post: wire.Post, now: float, at: int, address: str = ""
    ) -> Outcome:
        """Post a comment; return a future of its outcome, see ``posts.py``."""
        self.used_at = now
        return self._posts.post(author, post, now, at, address)

    def reject_post(self, rejection: Rejection) -> Outcome:
        """Count a rejection, and return it as a post's outcome."""
        return self._posts.reject(rejection)

    def await_decision(self, author: StaffMember, post: HeldPost) -> None:
        """Tell an author what becomes of a held comment, until it leaves."""
        self._decisions.add(author, post.number, post.ref)

    # --- settings -------------------------------------------------------------------------------

    async def change_settings(
        self, patch: SettingsPatch | Shield | None, author: Author, at: int
    ) -> SettingsChanged | Rejection:
        """Change the settings; returns once they are durable. ``at`` in Unix milliseconds.

        A patch that changes nothing appends no entry. See ``core/room_settings.py`` for shields.
        """
        # One at a time: each change starts from the result of the one before.
        async with self._settings_lock:
            if not self._journal.is_consistent(self.name):
                # An earlier change may be stored although it failed; this one would undo it.
                return reject(Code.BUSY, retry_after=BUSY_SECONDS)
            before = self._state.settings
            settings = change(before, patch)
            if isinstance(settings, Rejection):
                return settings
            if settings == before:
                return SettingsChanged(self.epoch, self.head, settings)
            result = await self.append_act(
                SettingsChange(seq=0, settings=settings, at=at),
                SettingsAct(
                    at=at, by=author.user, by_name=author.name, before=before, settings=settings
                ),
            )
        if isinstance(result, Rejection):
            return result
        return SettingsChanged(self.epoch, result.seq, settings)

    # --- staff ----------------------------------------------------------------------------------

    def add_staff(self, member: StaffMember) -> None:
        """Send new acts to a moderator or host, until ``remove_staff``."""
        self._staff.add(member)

    def remove_staff(self, member: StaffMember) -> None:
        """Send no more acts to a member of the staff; does nothing if it got none."""
        self._staff.remove(member)

    def forget_author(self, author: StaffMember) -> None:
        """Tell an author who leaves no more decisions."""
        self._decisions.remove(author)

    # --- viewers --------------------------------------------------------------------------------

    def join(self, viewer: Recipient) -> None:
        """Add a viewer that has been sent everything up to the head."""
        self._audience.add(viewer, self.head)

    def leave(self, viewer: Recipient, now: float) -> None:
        """Remove a viewer; does nothing if it has left already."""
        self._audience.remove(viewer)
        self.used_at = now

    def identify(self, viewer: Recipient, user: str, *, is_moderator: bool) -> list[bytes]:
        """Let a viewer see what only it may see: its own shadowed comments, or all of them.

        Returns the newest of those that it was sent as ``retracted``.
        """
        find = self.hidden.find_for(user, is_moderator=is_moderator)
        self._audience.set_private(viewer, find)
        return [] if find is None else self.hidden.list_newest(find, REVEALED)

    def pause(self, viewer: Recipient) -> None:
        """Send nothing to a viewer until it resumes."""
        self._audience.pause(viewer)

    def resume(self, viewer: Recipient) -> None:
        """Send to a paused viewer again, from its own cursor."""
        self._audience.resume(viewer)

    def catch_up(self, viewer: Recipient) -> None:
        """Send what it missed to a viewer that is writable again."""
        self._audience.catch_up(viewer)

    def begin_poll(self, poller: object) -> None:
        """Count a poller as a viewer, until a while after ``end_poll``."""
        self._audience.begin_poll(poller)

    def end_poll(self, poller: object, now: float) -> None:
        """Record the end of a poll, also of a cancelled one."""
        self._audience.pollers.end_poll(poller, now)

    def drop_expired_pollers(self, now: float) -> None:
        """Stop counting the pollers that have stopped polling."""
        self._audience.drop_expired_pollers(now)

    async def wait_for_entries(self, seconds: float) -> None:
        """Return with the next wave that has entries, or when the time is up."""
        await self._audience.pollers.wait(seconds)

    def wake_pollers(self) -> None:
        """Wake all long polls, to stop the server."""
        for _ in self._audience.pollers.notify(self._audience.wave_head):
            pass

    def close(self) -> None:
        """Cancel the waves that are scheduled."""
        self._fanout.forget(self._audience)
