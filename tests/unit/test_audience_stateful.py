"""Whatever viewers do, and whenever: between two waves, or between two steps of one."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chat.core import pace
from chat.fanout.pieces import DEFLATE, PLAIN
from chat.fanout.row import ROW_LIMIT
from tests.unit.audience_stage import (
    EncryptedViewer,
    SocketViewer,
    Stage,
    assert_gapless,
    list_seqs,
)

THROUGH = object()
SMALL_BUFFER = 4_096
SMALL_HISTORY = 64
SMALL_RATE = 20.0

numbers = st.integers(0, 10_000)
makers = st.sampled_from(
    [
        lambda: SocketViewer(PLAIN),
        lambda: SocketViewer(DEFLATE),
        lambda: SocketViewer(PLAIN, buffer=SMALL_BUFFER),
        lambda: EncryptedViewer(PLAIN),
        lambda: EncryptedViewer(DEFLATE),
    ]
)


class AudienceMachine(RuleBasedStateMachine):
    """Viewers join, leave, pause, stall and drain while waves are under way.

    However they were led, each has in the end every entry since it joined, once and in order, and
    the right count of viewers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage = self.set_stage()
        self.joined_at: dict[SocketViewer, int] = {}
        self.under_way: Iterator[None] | None = None

    def set_stage(self) -> Stage:
        return Stage()

    def pick(self, number: int) -> SocketViewer | None:
        viewers = list(self.joined_at)
        return viewers[number % len(viewers)] if viewers else None

    @rule(count=st.sampled_from([1, 3, ROW_LIMIT // 2, 2 * ROW_LIMIT]), make=makers)
    def join(self, count: int, make: type[SocketViewer]) -> None:
        for _ in range(count):
            viewer = self.stage.add(make())
            self.joined_at[viewer] = self.stage.history.head

    @rule(first=numbers, count=st.sampled_from([1, 2, ROW_LIMIT]))
    def leave(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            viewer = self.pick(number)
            if viewer is not None:
                self.stage.audience.remove(viewer)
                self.stage.viewers.remove(viewer)
                del self.joined_at[viewer]
                viewer.close()

    @rule(number=numbers)
    def pause(self, number: int) -> None:
        viewer = self.pick(number)
        if viewer is not None:
            self.stage.audience.pause(viewer)

    @rule(number=numbers)
    def resume(self, number: int) -> None:
        viewer = self.pick(number)
        if viewer is not None:
            self.stage.audience.resume(viewer)

    @rule(number=numbers)
    def stall(self, number: int) -> None:
        viewer = self.pick(number)
        if viewer is not None:
            viewer.stall()

    @rule(number=numbers)
    def drain(self, number: int) -> None:
        viewer = self.pick(number)
        if viewer is not None:
            viewer.drain()
            self.stage.audience.catch_up(viewer)

    @rule(count=st.sampled_from([1, 2, 9, 60]))
    def say(self, count: int) -> None:
        self.stage.say(count)

    @rule()
    def begin_wave(self) -> None:
        if self.under_way is None:
            self.stage.clock += 1
            if self.stage.audience.begin_wave(self.stage.clock):
                self.under_way = self.stage.audience.pass_on()

    @rule(steps=st.sampled_from([1, 2, ROW_LIMIT, 10_000]))
    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            if self.under_way is not None and next(self.under_way, THROUGH) is THROUGH:
                self.under_way = None

    @rule(passed=st.sampled_from([0.0, pace.TAKE_UP_SECONDS]))
    def take_up_more(self, passed: float) -> None:
        self.stage.clock += passed
        if self.under_way is not None:
            self.stage.audience.take_up_more(self.stage.clock)

    @rule()
    def break_off(self) -> None:
        """A bug in the middle of a wave costs nobody an entry."""
        self.under_way = None

    @invariant()
    def everybody_is_counted_once(self) -> None:
        assert len(self.stage.audience) == len(self.joined_at)

    def teardown(self) -> None:
        self.go_on(10_000)
        # Those whose tail had to wait drain in turns with the waves, as they would on a loop.
        for turn in range(3):
            for viewer in self.joined_at:
                viewer.drain()
                if turn == 0:
                    self.stage.audience.resume(viewer)
                self.stage.audience.catch_up(viewer)
            self.stage.waves()
        try:
            for viewer, joined_at in self.joined_at.items():
                messages = viewer.messages()
                self.check_entries(messages, joined_at)
                counts = [told["count"] for told in messages if told["type"] == "viewers"]
                assert counts[-1] == len(self.joined_at)
                viewer.received = b""
            self.stage.say(1)
            self.stage.waves()
            for viewer in self.joined_at:
                assert [told["type"] for told in viewer.messages()] == ["batch"]
        finally:
            for viewer in self.stage.viewers:
                viewer.close()

    def check_entries(self, messages: list[dict], joined_at: int) -> None:
        head = self.stage.history.head
        assert_gapless(messages, head, joined_at)
        assert list_seqs(messages) == list(range(joined_at + 1, head + 1))


class ForgetfulAudienceMachine(AudienceMachine):
    """The same where memory is short and floods are thinned.

    What a viewer was not sent it was told of, and what is left out for one is left out for all.
    """

    @rule(count=st.integers(0, SMALL_HISTORY))
    def forget(self, count: int) -> None:
        """Old entries are kept no longer."""
        self.stage.history.forget(self.stage.history.first + count - 1)
        self.stage.audience.forget_made()

    def set_stage(self) -> Stage:
        self.left_out: dict[int, bool] = {}
        return Stage(delivery_rate=SMALL_RATE, history_limit=SMALL_HISTORY)

    def check_entries(self, messages: list[dict], joined_at: int) -> None:
        assert_gapless(messages, self.stage.history.head, joined_at)
        for batch in messages:
            if batch["type"] != "batch":
                continue
            sent = {entry["seq"] for entry in batch["entries"]}
            told = range(batch["first"], batch["last"] + 1)
            assert len(sent) + batch.get("thinned", 0) == len(told)
            for seq in told:
                assert self.left_out.setdefault(seq, seq not in sent) == (seq not in sent)


TestAudienceMachine = AudienceMachine.TestCase
TestForgetfulAudienceMachine = ForgetfulAudienceMachine.TestCase
TestAudienceMachine.settings = TestForgetfulAudienceMachine.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
