"""Room, history, archive and resume against a model: a list of bodies, and how many are trimmed.

Posts, retractions, clears, settings, trims, closing and reopening happen in random order. A viewer
with a cursor gets exactly what the list has after it, or the reason why not. The acts of moderators
are compared with a list, too.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chat.archive import Archive
from chat.core.comment import Role
from chat.core.reject import Rejection
from chat.core.responses import Done
from chat.core.room_settings import SettingsPatch
from chat.core.room_state import Author
from chat.core.wire import Ack, Cursor, Post
from chat.fanout.recipient import Position, ViewerState
from chat.fanout.waves import Fanout
from chat.hub import Hub, HubLimits
from chat.journal.local import JournalLimits, LocalJournal
from chat.metrics import Metrics
from chat.moderation import Moderation
from chat.room import Room
from chat.settings import Settings

RESUME_LIMIT = 8
JOURNAL_LIMITS = JournalLimits(recent=3, trim_step=2, trim_pause=0)
HUB_LIMITS = HubLimits(resume=RESUME_LIMIT, history=4)
titles = st.sampled_from([None, "", "a", "b"])
delays = st.sampled_from([None, 0.0, 2.0])
KNOWN = ("kind", "text", "target", "before", "settings")
MODERATOR = Author("mia", "Mia", Role.MODERATOR)
OLD = 10**13  # later than any comment's time: all of them are old


class StubViewer:
    """A viewer that takes nothing: only what it is sent at its join counts here."""

    encoding = 0
    writable = False
    is_plain_socket = True

    def __init__(self) -> None:
        self.state = ViewerState.JOINING
        self.position = Position()

    def send(self, data: bytes) -> int:
        raise BlockingIOError

    def buffer_tail(self, tail: memoryview) -> None:
        raise AssertionError("never ready, and sent something")

    def abort(self) -> None:
        raise AssertionError("never ready, and sent something")


class RoomMachine(RuleBasedStateMachine):
    """The hub with a real archive on one side, the list on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        metrics = Metrics()
        self.journal = LocalJournal(Archive("sqlite://"), metrics, JOURNAL_LIMITS)
        self.hub = Hub(
            Settings(post_rate=0), self.journal, Fanout(metrics, 0), metrics, limits=HUB_LIMITS
        )
        self.runner.get_loop().call_soon(self.hub.start)
        self.room = self.open()
        self.epoch = self.room.epoch
        self.model: list[dict[str, Any]] = []
        self.forgotten = 0
        self.moderation = Moderation(self.journal)
        self.retracted: dict[int, int] = {}
        self.acts: list[dict[str, Any]] = []
        self.forgotten_acts = 0
        self.refs: dict[tuple[str, str], int] = {}
        self.chosen: dict[str, Any] = {}
        self.texts = itertools.count(1)

    def open(self) -> Room:
        async def steps() -> Room:
            room = await self.hub.open_room("demo")
            assert not isinstance(room, Rejection)
            return room

        return self.runner.run(steps())

    @rule(user=st.sampled_from(["a", "b"]), ref=st.sampled_from([None, "k1", "k2", "k3"]))
    def post(self, user: str, ref: str | None) -> None:
        text = f"text {next(self.texts)}"

        async def steps() -> Ack | Rejection:
            return await self.hub.post(self.room, Author(user, user), Post(text, ref))

        ack = self.runner.run(steps())
        assert isinstance(ack, Ack)
        known = self.refs.get((user, ref)) if ref else None
        if known:
            assert (ack.seq, ack.dup) == (known, True)
            return
        self.model.append({"kind": "comment", "text": text, "user": user})
        assert (ack.epoch, ack.seq, ack.dup) == (self.epoch, len(self.model), False)
        if ref:
            self.refs[user, ref] = ack.seq

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def retract(self, data: st.DataObject) -> None:
        target = data.draw(st.integers(1, len(self.model)))
        outcome = self.runner.run(self.moderation.retract(self.room, target, MODERATOR, "spam"))
        removed = self.model[target - 1]
        if target <= self.forgotten or removed["kind"] not in ("comment", "retracted"):
            assert isinstance(outcome, Rejection)
            assert outcome.code == "not_found"
            return
        if target not in self.retracted:
            self.model[target - 1] = {"kind": "retracted", "user": removed["user"]}
            self.model.append({"kind": "retract", "target": target})
            self.retracted[target] = len(self.model)
            self.acts.append({"kind": "retract", "seq": target, "reason": "spam"})
        assert outcome == Done(self.epoch, self.retracted[target])

    @rule(user=st.sampled_from([None, "a", "b"]))
    def clear(self, user: str | None) -> None:
        before = len(self.model)
        outcome = self.runner.run(self.moderation.clear(self.room, user, MODERATOR))
        for place, entry in enumerate(self.model):
            if entry["kind"] == "comment" and user in (None, entry["user"]):
                self.model[place] = {"kind": "retracted", "user": entry["user"]}
        self.model.append({"kind": "clear_user" if user else "clear", "before": before})
        self.acts.append({"kind": "clear", "before": before})
        assert outcome == Done(self.epoch, len(self.model))

    @rule(patch=st.fixed_dictionaries({}, optional={"title": titles, "delay": delays}))
    def set_room(self, patch: dict[str, Any]) -> None:
        changed = self.runner.run(
            self.hub.change_settings(self.room, SettingsPatch(**patch), Author("h", "Host"))
        )
        assert not isinstance(changed, Rejection)
        merged = {**self.chosen, **patch}
        chosen = {name: value for name, value in merged.items() if value}
        if chosen == self.chosen:
            assert (changed.epoch, changed.seq) == (self.epoch, len(self.model))
            return
        self.chosen = chosen
        self.model.append({"kind": "settings", "settings": self.chosen})
        self.acts.append({"kind": "settings"})
        assert (changed.epoch, changed.seq) == (self.epoch, len(self.model))

    @rule()
    def close_and_open(self) -> None:
        """Close all rooms, as after five minutes without viewers, or a restart."""
        self.hub.release_rooms(float("inf"))
        self.room = self.open()
        assert self.room.epoch == self.epoch

    @precondition(lambda self: len(self.model) > self.forgotten)
    @rule()
    def trim(self) -> None:
        assert self.runner.run(self.journal.trim(OLD)) == len(self.model) - self.forgotten
        self.forgotten = len(self.model)
        # Their refs are forgotten with them, where the archive has to be asked.
        self.hub.release_rooms(float("inf"))
        self.room = self.open()
        self.refs.clear()
        self.forgotten_acts = len(self.acts)
        self.retracted.clear()

    @rule(
        back=st.integers(-2, 2 * RESUME_LIMIT),
        same=st.integers(0, 5).map(bool),
        recent=st.integers(0, 5),
    )
    def resume(self, back: int, same: bool, recent: int) -> None:
        head = len(self.model)
        cursor = Cursor(self.epoch if same else "other", max(0, head - back))
        welcome = self.join(cursor, recent)
        seqs, bodies = self.read(welcome)
        assert welcome.seq == head
        if cursor.epoch != self.epoch:
            reason = "epoch"
        elif cursor.seq > head:
            reason = "ahead"
        elif head - cursor.seq > RESUME_LIMIT:
            reason = "limit"
        elif cursor.seq < self.forgotten:
            reason = "trimmed"
        else:
            assert welcome.recovered
            assert seqs == list(range(cursor.seq + 1, head + 1))
            assert bodies == self.without_users(self.model[cursor.seq :])
            return
        assert (welcome.recovered, welcome.reason) == (False, reason)
        self.check_recent(seqs, bodies, recent)

    @rule(recent=st.integers(0, 5))
    def join_anew(self, recent: int) -> None:
        seqs, bodies = self.read(self.join(None, recent))
        self.check_recent(seqs, bodies, recent)

    def check_recent(self, seqs: list[int], bodies: list[dict[str, Any]], recent: int) -> None:
        head = len(self.model)
        assert len(seqs) <= recent
        assert seqs == list(range(head - len(seqs) + 1, head + 1))
        assert bodies == self.without_users(self.model[head - len(seqs) :])

    def without_users(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{key: entry[key] for key in KNOWN if key in entry} for entry in entries]

    def join(self, cursor: Cursor | None, recent: int) -> Any:
        async def steps() -> Any:
            viewer = StubViewer()
            author = Author("c", "c")
            welcome = await self.hub.join(self.room, viewer, author, "", cursor, recent)
            self.hub.leave(self.room, viewer)
            return welcome

        return self.runner.run(steps())

    def read(self, welcome: Any) -> tuple[list[int], list[dict[str, Any]]]:
        bodies = json.loads(bytes(welcome.entries))
        assert json.loads(bytes(welcome.settings)) == self.chosen
        return [body["seq"] for body in bodies], self.without_users(bodies)

    @rule(limit=st.integers(1, 5))
    def read_log(self, limit: int) -> None:
        after = self.forgotten_acts
        assert self.room.acts == len(self.acts)
        log = self.runner.run(self.moderation.read_log(self.room, after, limit))
        acts = json.loads(bytes(log))
        for number, act in enumerate(acts, after):
            assert act["id"] == number + 1
            assert self.acts[number].items() <= act.items()
        assert len(acts) == min(limit, len(self.acts) - after)

    @invariant()
    def head_is_the_models(self) -> None:
        assert self.room.head == len(self.model)

    def teardown(self) -> None:
        self.runner.run(self.hub.stop())
        self.runner.close()


TestRoom = RoomMachine.TestCase
TestRoom.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
