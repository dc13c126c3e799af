"""The hub: the rooms and viewers of this process, and the one way of a comment through it.

Every transport joins, posts and reads here, so that all three ways to follow a room see the same.
It knows asyncio and no web framework.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from msgspec import UNSET, Raw

from chat.core import wire
from chat.core.history import History
from chat.core.limits import PostLimits
from chat.core.reject import Rejection, reject
from chat.core.room import Author, Known, Room
from chat.core.room_settings import SettingsChange, SettingsPatch, change
from chat.core.wire import Cursor
from chat.fanout.audience import Audience
from chat.fanout.row import Viewer
from chat.fanout.waves import Fanout
from chat.journal import Busy, Journal, NotKept, Place
from chat.metrics import Metrics
from chat.open_room import Answer, OpenRoom
from chat.settings import Settings

RESUME_LIMIT = 300
ROOM_LIMIT = 10_000
ROOM_IDLE_SECONDS = 300.0
WAIT_LIMIT = 20_000
BUSY_SECONDS = 1.0


class Hub:
    """The rooms of this process. All methods belong to the event loop's thread."""

    def __init__(
        self, settings: Settings, journal: Journal, fanout: Fanout, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._fanout = fanout
        self._metrics = metrics
        self._rooms: dict[str, OpenRoom] = {}
        self._opening: dict[str, asyncio.Task[OpenRoom]] = {}
        self._long_polls = 0
        self.is_stopping = False
        metrics.watch("danmaku_rooms", "Rooms that are open", lambda: len(self._rooms))
        self._watch_rooms(
            "danmaku_history_entries",
            "Entries in the histories of the open rooms",
            lambda opened: len(opened.room.history),
        )
        self._watch_rooms(
            "danmaku_known_refs",
            "Accepted posts that are known again without a look at the archive",
            lambda opened: opened.room.count_known(),
        )
        self._watch_rooms(
            "danmaku_limited_users",
            "Users who spoke so lately that their burst is not whole again, in all rooms",
            lambda opened: opened.room.count_limited(),
        )
        self._watch_rooms(
            "danmaku_slowed_users",
            "Users whom slow mode has noted, in all rooms",
            lambda opened: opened.room.count_slowed(),
        )
        self._watch_rooms(
            "danmaku_made_bytes",
            "Bytes of batches and recent histories that are kept for the next who needs the same",
            lambda opened: opened.audience.count_bytes(),
        )
        metrics.watch("danmaku_long_polls", "Long polls that wait", lambda: self._long_polls)
        metrics.watch("danmaku_viewers", "Viewers, by any transport", self.count_viewers)

    def _watch_rooms(self, name: str, help: str, count: Callable[[OpenRoom], int]) -> None:
        self._metrics.watch(name, help, lambda: sum(map(count, self._rooms.values())))

    def start(self) -> None:
        """Begin to take deliveries from the journal."""
        self._journal.start(self.deliver, self.forget)

    # --- rooms ----------------------------------------------------------------------------------

    def find_room(self, name: str) -> OpenRoom | None:
        """Return the room of that name when it is open, and keep it so for who will join."""
        opened = None if self.is_stopping else self._rooms.get(name)
        if opened is not None:
            opened.watched_at = time.monotonic()
        return opened

    async def open_room(self, name: str) -> OpenRoom | Rejection:
        """Return the room of that name, opening it at first use."""
        opened = self.find_room(name)
        if opened is not None:
            return opened
        checked = wire.parse_room(name)
        if isinstance(checked, Rejection):
            return checked
        if self._settings.rooms and name not in self._settings.rooms:
            return reject("no_such_room")
        if self.is_stopping:
            return reject("restarting", retry_after=BUSY_SECONDS)
        task = self._opening.get(name)
        if task is None:
            if len(self._rooms) + len(self._opening) >= ROOM_LIMIT:
                return reject("full", retry_after=ROOM_IDLE_SECONDS)
            task = asyncio.get_running_loop().create_task(self._open(name))
            self._opening[name] = task
            task.add_done_callback(lambda _: self._opening.pop(name, None))
        try:
            # Shielded: one of those who wait may go away without taking the room from the others.
            return await asyncio.shield(task)
        except NotKept:
            return reject("not_read", retry_after=BUSY_SECONDS)

    async def _open(self, name: str) -> OpenRoom:
        found = await self._journal.open_room(name)
        history = History(found.head - len(found.recent))
        for seq, body in enumerate(found.recent, history.first):
            history.append(seq, body)
        limits = PostLimits(self._settings.post_burst, self._settings.post_rate)
        room = Room(name, found.epoch, history, limits, found.settings)
        audience = Audience(
            found.epoch,
            history,
            room.encode_settings,
            self._fanout.plan,
            self._metrics,
            self._settings.delivery_rate,
        )
        opened = self._rooms[name] = OpenRoom(room, audience, time.monotonic())
        return opened

    def release_rooms(self, now: float) -> None:
        """Let the rooms go that nobody has watched for five minutes, and pollers that stopped."""
        for name, opened in list(self._rooms.items()):
            opened.audience.forget_pollers(now)
            if len(opened.audience):
                opened.watched_at = now
            elif now - opened.watched_at > ROOM_IDLE_SECONDS:
                del self._rooms[name]
                self._fanout.forget(opened.audience)
                self._journal.close_room(name)

    def live_rooms(self) -> list[OpenRoom]:
        """Return the rooms that somebody watches, spoke in or set up, the most watched first.

        A room that was only asked for is open too, for a while, and no news to anybody.
        """
        live = [
            opened
            for opened in self._rooms.values()
            if len(opened.audience) or len(opened.room.history)
        ]
        return sorted(live, key=lambda opened: (-len(opened.audience), opened.room.name))

    def count_viewers(self) -> int:
        """Count the viewers of all rooms."""
        return sum(len(opened.audience) for opened in self._rooms.values())

    # --- following a room -----------------------------------------------------------------------

    async def join(
        self,
        opened: OpenRoom,
        viewer: Viewer,
        author: Author,
        session: str,
        cursor: Cursor | None,
        recent: int,
    ) -> wire.Welcome | Rejection:
        """Let a viewer with a long-lived connection in, and return its first message.

        Or let it not in: what cannot be read now is not told to be gone.
        The viewer is added and its first entries are taken in one step, with nothing awaited
        between, so that no entry falls into the gap or comes twice.
        """
        try:
            entries, reason = await self._recover(opened, cursor, recent)
        except NotKept:
            return self.refuse(reject("not_read", retry_after=BUSY_SECONDS))
        room, audience = opened.room, opened.audience
        head = room.history.head
        audience.add(viewer, head)
        return wire.Welcome(
            room=room.name,
            epoch=room.epoch,
            seq=head,
            user=author.user,
            name=author.name,
            role=author.role,
            session=session,
            settings=opened.settings,
            viewers=len(audience),
            recovered=cursor is not None and reason is None,
            reason=reason or UNSET,
            entries=entries,
        )

    async def _recover(
        self, opened: OpenRoom, cursor: Cursor | None, recent: int
    ) -> tuple[Raw, str | None]:
        """Return what a viewer with this cursor missed up to the head of this very moment.

        When not all of it can be had: the recent history, and the reason. Raises NotKept.
        """
        history, audience = opened.room.history, opened.audience
        if cursor is None:
            return audience.recent(recent), None
        reason = opened.why_lost(cursor)
        if reason is None and history.head - cursor.seq > RESUME_LIMIT:
            reason = "limit"
        if reason is not None:
            return audience.recent(recent), reason
        older: list[bytes] = []
        if not history.has_after(cursor.seq):
            wanted = history.first - 1 - cursor.seq
            older = await self._journal.read(opened.room.name, cursor.seq, wanted)
            if not history.has_after(cursor.seq + len(older)):
                # Something was read, and then the history moved on by more than a resume has.
                return audience.recent(recent), "limit" if older else "trimmed"
        newer = history.slice(cursor.seq + len(older) + 1, history.head)
        return wire.join_bodies(older + newer), None

    def leave(self, opened: OpenRoom, viewer: Viewer) -> None:
        """Let a viewer go."""
        opened.audience.remove(viewer)
        opened.watched_at = time.monotonic()

    async def read_page(
        self, opened: OpenRoom, cursor: Cursor | None, limit: int, wait: float, poller: object
    ) -> wire.Page | Rejection:
        """Return the next entries after a cursor, waiting up to ``wait`` seconds for one.

        Without a cursor: the recent history. ``poller`` stands for whoever asks, so that somebody
        who asks again and again is one viewer; its HTTP connection does.
        """
        room, history = opened.room, opened.room.history
        opened.watched_at = time.monotonic()
        if cursor is None:
            return self._make_page(room, history.recent(limit), history.head, False, None)
        reason = opened.why_lost(cursor)
        if reason is not None:
            return self._make_page(room, history.recent(limit), history.head, False, reason)
        opened.audience.note_poller(poller, opened.watched_at + wait)
        if cursor.seq == history.head and wait > 0 and not self.is_stopping:
            if self._long_polls >= WAIT_LIMIT:
                return reject("busy", retry_after=BUSY_SECONDS)
            self._long_polls += 1
            try:
                await self._wait_beyond(opened, cursor.seq, wait)
            finally:
                self._long_polls -= 1
            opened.audience.note_poller(poller, time.monotonic())
        if history.has_after(cursor.seq):
            bodies = history.slice(cursor.seq + 1, min(history.head, cursor.seq + limit))
        else:
            try:
                bodies = await self._journal.read(room.name, cursor.seq, limit)
            except NotKept:
                return reject("not_read", retry_after=BUSY_SECONDS)
            if not bodies:
                return self._make_page(room, history.recent(limit), history.head, False, "trimmed")
        return self._make_page(room, bodies, cursor.seq + len(bodies), True, None)

    async def _wait_beyond(self, opened: OpenRoom, seq: int, seconds: float) -> None:
        # A wave may bring what this poll had already: it waits for one that brings more.
        ends = time.monotonic() + seconds
        while opened.room.history.head == seq and not self.is_stopping:
            left = ends - time.monotonic()
            if left <= 0:
                break
            await opened.audience.wait_for_news(left)

    def _make_page(
        self, room: Room, bodies: list[bytes], last: int, recovered: bool, reason: str | None
    ) -> wire.Page:
        self._metrics.deliveries.inc(len(bodies))
        return wire.Page(
            epoch=room.epoch,
            first=last - len(bodies) + 1,
            last=last,
            head=room.history.head,
            recovered=recovered,
            reason=reason,
            entries=wire.join_bodies(bodies),
        )

    # --- posting --------------------------------------------------------------------------------

    def post(self, opened: OpenRoom, author: Author, post: wire.Post, answer: Answer) -> None:
        """Take a post; ``answer`` gets its ack once it is durable, or a rejection."""
        room = opened.room
        now = time.monotonic()
        opened.watched_at = now
        if self.is_stopping:
            answer(self.refuse(reject("restarting", retry_after=BUSY_SECONDS)))
            return
        key = None if post.ref is None else (author.user, post.ref)
        if key in opened.pending:
            if not opened.ask_again(key, answer):
                answer(self.refuse(reject("busy", retry_after=BUSY_SECONDS)))
            return
        admitted = room.admit(author, post, now, at=time.time_ns() // 1_000_000)
        if isinstance(admitted, Rejection):
            answer(self.refuse(admitted))
            return
        if isinstance(admitted, Known):
            answer(wire.Ack(post.ref, room.epoch, admitted.seq, dup=True))
            return
        try:
            place = self._journal.append(room.name, admitted, post.ref)
        except Busy:
            room.withdraw(author, post)
            answer(self.refuse(reject("busy", retry_after=BUSY_SECONDS)))
            return
        retries: list[Answer] = []
        if key is not None:
            opened.pending[key] = retries

        def tell(place: asyncio.Future[Place]) -> None:
            if key is not None:
                del opened.pending[key]
            if place.exception() is not None:
                room.withdraw(author, post)
                for each in (answer, *retries):
                    each(self.refuse(reject("not_kept", retry_after=BUSY_SECONDS)))
                return
            kept = place.result()
            if not kept.dup:
                self._metrics.accepted.inc()
            if post.ref is not None:
                room.remember(author.user, post.ref, kept.seq, time.monotonic())
            answer(wire.Ack(post.ref, room.epoch, kept.seq, kept.dup))
            for each in retries:
                each(wire.Ack(post.ref, room.epoch, kept.seq, dup=True))

        place.add_done_callback(tell)

    async def change_settings(
        self, opened: OpenRoom, patch: SettingsPatch
    ) -> wire.SettingsChanged | Rejection:
        """Change a room's settings; returns once they are durable."""
        room = opened.room
        opened.watched_at = time.monotonic()
        # One after the other: each change begins with what the one before it left.
        async with opened.changing:
            if self.is_stopping:
                return reject("restarting", retry_after=BUSY_SECONDS)
            if not self._journal.is_certain(room.name):
                # An earlier change may be on the disk, and this one would take it back.
                return reject("busy", retry_after=BUSY_SECONDS)
            settings = change(room.settings, patch)
            if isinstance(settings, Rejection):
                return settings
            entry = SettingsChange(seq=0, settings=settings, at=time.time_ns() // 1_000_000)
            try:
                place = await self._journal.append(room.name, entry, None)
            except Busy:
                return reject("busy", retry_after=BUSY_SECONDS)
            except NotKept:
                return reject("not_kept", retry_after=BUSY_SECONDS)
        return wire.SettingsChanged(room.epoch, place.seq, settings)

    def refuse(self, rejection: Rejection) -> Rejection:
        """Count a rejection by its code."""
        self._metrics.rejected.labels(rejection.code).inc()
        return rejection

    def deliver(self, name: str, first: int, bodies: Sequence[bytes]) -> None:
        """Take the next entries of a room from the journal, and have them sent."""
        opened = self._rooms.get(name)
        if opened is None:
            return
        opened.take(first, bodies)

    def forget(self, name: str, last: int) -> None:
        """Let a room's entries up to ``last`` go from memory, too: they are kept no longer."""
        opened = self._rooms.get(name)
        if opened is not None:
            opened.forget(last)

    # --- the end --------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Accept nothing more, keep and deliver what was accepted, wake the long polls."""
        self.is_stopping = True
        await self._journal.close()
        await self._fanout.settle()
        for opened in self._rooms.values():
            for _ in opened.audience.release_waiters():
                pass
