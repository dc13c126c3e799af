"""Room, history, archive and resume against a model: a list of bodies, and how many are forgotten.

Whatever is posted, retracted, set, trimmed, closed and opened again, in whatever order: who comes
with a cursor gets exactly what the list has after it, or is told why not.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import chat.hub
import chat.journal.local
from chat.archive import Archive
from chat.core.history import History
from chat.core.reject import Rejection
from chat.core.retraction import Retraction
from chat.core.room import Author
from chat.core.room_settings import SettingsPatch
from chat.core.wire import Ack, Cursor, Post
from chat.fanout.waves import Fanout
from chat.hub import Hub
from chat.journal.local import LocalJournal
from chat.metrics import Metrics
from chat.open_room import OpenRoom
from chat.settings import Settings

RESUME_LIMIT = 8
titles = st.sampled_from([None, "", "a", "b"])
delays = st.sampled_from([None, 0.0, 2.0])
OLD = 10**13  # later than any comment's time: all of them are old


class Sleeper:
    """A viewer that takes nothing: what it is told at its join is all that counts here."""

    cursor = 0
    variant = 0
    ready = False
    direct = True
    row = None

    def send(self, data: bytes) -> int:
        raise BlockingIOError

    def spill(self, tail: memoryview) -> None:
        raise AssertionError("never ready, and sent something")

    def abandon(self) -> None:
        raise AssertionError("never ready, and sent something")


class RoomMachine(RuleBasedStateMachine):
    """The hub with a real archive on one side, the list on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = {
            (chat.hub, "RESUME_LIMIT"): RESUME_LIMIT,
            (chat.hub, "History"): functools.partial(History, limit=4),
            (chat.journal.local, "RECENT_LIMIT"): 3,
            (chat.journal.local, "TRIM_STEP"): 2,
            (chat.journal.local, "TRIM_PAUSE"): 0,
        }
        self.real = {(module, name): getattr(module, name) for module, name in self.limits}
        self.set_limits(self.limits)
        self.runner = asyncio.Runner()
        metrics = Metrics()
        self.journal = LocalJournal(Archive("sqlite://"), metrics)
        self.hub = Hub(Settings(post_rate=0), self.journal, Fanout(metrics, 0), metrics)
        self.runner.get_loop().call_soon(self.hub.start)
        self.opened = self.open()
        self.epoch = self.opened.room.epoch
        self.model: list[dict[str, Any]] = []
        self.forgotten = 0
        self.refs: dict[tuple[str, str], int] = {}
        self.chosen: dict[str, Any] = {}
        self.texts = itertools.count(1)

    def set_limits(self, values: dict[tuple[Any, str], Any]) -> None:
        for (module, name), value in values.items():
            setattr(module, name, value)

    def open(self) -> OpenRoom:
        async def steps() -> OpenRoom:
            opened = await self.hub.open_room("demo")
            assert not isinstance(opened, Rejection)
            return opened

        return self.runner.run(steps())

    @rule(user=st.sampled_from(["a", "b"]), ref=st.sampled_from([None, "k1", "k2", "k3"]))
    def post(self, user: str, ref: str | None) -> None:
        text = f"text {next(self.texts)}"

        async def steps() -> Ack | Rejection:
            answer = asyncio.get_running_loop().create_future()
            post = Post(text, ref)
            self.hub.post(self.opened, Author(user, user), post, answer.set_result)
            return await answer

        ack = self.runner.run(steps())
        assert isinstance(ack, Ack)
        known = self.refs.get((user, ref)) if ref else None
        if known:
            assert (ack.seq, ack.dup) == (known, True)
            return
        self.model.append({"kind": "comment", "text": text})
        assert (ack.epoch, ack.seq, ack.dup) == (self.epoch, len(self.model), False)
        if ref:
            self.refs[user, ref] = ack.seq

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def retract(self, data: st.DataObject) -> None:
        target = data.draw(st.integers(1, len(self.model)))

        async def steps() -> int:
            entry = Retraction(seq=0, target=target, at=1)
            return (await self.journal.append("demo", entry, None)).seq

        if self.model[target - 1]["kind"] == "comment":
            self.model[target - 1] = {"kind": "retracted"}
        self.model.append({"kind": "retract", "target": target})
        assert self.runner.run(steps()) == len(self.model)

    @rule(patch=st.fixed_dictionaries({}, optional={"title": titles, "delay": delays}))
    def set_room(self, patch: dict[str, Any]) -> None:
        changed = self.runner.run(self.hub.change_settings(self.opened, SettingsPatch(**patch)))
        assert not isinstance(changed, Rejection)
        merged = {**self.chosen, **patch}
        self.chosen = {name: value for name, value in merged.items() if value}
        self.model.append({"kind": "settings", "settings": self.chosen})
        assert (changed.epoch, changed.seq) == (self.epoch, len(self.model))

    @rule()
    def close_and_open(self) -> None:
        """As after five minutes without anybody, or a restart."""
        self.hub.release_rooms(float("inf"))
        self.opened = self.open()
        assert self.opened.room.epoch == self.epoch

    @precondition(lambda self: len(self.model) > self.forgotten)
    @rule()
    def trim(self) -> None:
        assert self.runner.run(self.journal.trim(OLD)) == len(self.model) - self.forgotten
        self.forgotten = len(self.model)
        # Their refs are forgotten with them, where the archive has to be asked.
        self.hub.release_rooms(float("inf"))
        self.opened = self.open()
        self.refs.clear()

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
            assert bodies == self.model[cursor.seq :]
            return
        assert (welcome.recovered, welcome.reason) == (False, reason)
        self.check_recent(seqs, bodies, recent)

    @rule(recent=st.integers(0, 5))
    def arrive(self, recent: int) -> None:
        seqs, bodies = self.read(self.join(None, recent))
        self.check_recent(seqs, bodies, recent)

    def check_recent(self, seqs: list[int], bodies: list[dict[str, Any]], recent: int) -> None:
        head = len(self.model)
        assert len(seqs) <= recent
        assert seqs == list(range(head - len(seqs) + 1, head + 1))
        assert bodies == self.model[head - len(seqs) :]

    def join(self, cursor: Cursor | None, recent: int) -> Any:
        async def steps() -> Any:
            viewer = Sleeper()
            author = Author("c", "c")
            welcome = await self.hub.join(self.opened, viewer, author, "", cursor, recent)
            self.hub.leave(self.opened, viewer)
            return welcome

        return self.runner.run(steps())

    def read(self, welcome: Any) -> tuple[list[int], list[dict[str, Any]]]:
        bodies = json.loads(bytes(welcome.entries))
        assert json.loads(bytes(welcome.settings)) == self.chosen
        known = ("kind", "text", "target", "settings")
        short = [{key: body[key] for key in known if key in body} for body in bodies]
        return [body["seq"] for body in bodies], short

    @invariant()
    def head_is_the_models(self) -> None:
        assert self.opened.room.history.head == len(self.model)

    def teardown(self) -> None:
        self.runner.run(self.hub.stop())
        self.runner.close()
        self.set_limits(self.real)


TestRoom = RoomMachine.TestCase
TestRoom.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
