"""Random actions of viewers, between two waves and between two steps of one."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chat.core.moderation.hidden import FindBody
from chat.fanout.batch_cache import DEFLATE, PLAIN
from chat.fanout.send_group import GROUP_LIMIT
from tests.support.audience_harness import (
    AudienceHarness,
    EncryptedViewer,
    SocketViewer,
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

    In the end each has every entry since it joined, once and in order, and the right count of
    viewers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.harness = self.set_stage()
        self.joined_at: dict[SocketViewer, int] = {}
        self.under_way: Iterator[None] | None = None

    def set_stage(self) -> AudienceHarness:
        return AudienceHarness()

    def pick(self, number: int) -> SocketViewer | None:
        viewers = list(self.joined_at)
        return viewers[number % len(viewers)] if viewers else None

    @rule(count=st.sampled_from([1, 3, GROUP_LIMIT // 2, 2 * GROUP_LIMIT]), make=makers)
    def join(self, count: int, make: type[SocketViewer]) -> None:
        for _ in range(count):
            viewer = self.harness.add(make())
            self.joined_at[viewer] = self.harness.history.head

    @rule(first=numbers, count=st.sampled_from([1, 2, GROUP_LIMIT]))
    def leave(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            viewer = self.pick(number)
            if viewer is not None:
                self.harness.audience.remove(viewer)
                self.harness.viewers.remove(viewer)
                del self.joined_at[viewer]
                viewer.close()

    @rule(number=numbers)
    def pause(self, number: int) -> None:
        viewer = self.pick(number)
        if viewer is not None:
            self.harness.audience.pause(viewer)

    @rule(number=numbers)
    def resume(self, number: int) -> None:
        viewer = self.pick(number)
        if viewer is not None:
            self.harness.audience.resume(viewer)

    @rule(number=numbers, sees=st.sampled_from([None, lambda _seq: None]))
    def see_privately(self, number: int, sees: FindBody | None) -> None:
        """Let a viewer have bodies of its own; here they are the public ones."""
        if viewer := self.pick(number):
            self.harness.audience.set_private(viewer, sees)

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
            self.harness.audience.catch_up(viewer)

    @rule(count=st.sampled_from([1, 2, 9, 60]))
    def post(self, count: int) -> None:
        self.harness.post(count)

    @rule()
    def begin_wave(self) -> None:
        if self.under_way is None:
            self.harness.clock += 1
            if self.harness.audience.begin_wave(self.harness.clock):
                self.under_way = self.harness.audience.send_steps()

    @rule(steps=st.sampled_from([1, 2, GROUP_LIMIT, 10_000]))
    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            if self.under_way is not None and next(self.under_way, THROUGH) is THROUGH:
                self.under_way = None

    @rule()
    def select_more(self) -> None:
        if self.under_way is not None:
            self.harness.audience.select_more(self.harness.clock)

    @rule()
    def break_off(self) -> None:
        """An exception in the middle of a wave loses no entry."""
        self.under_way = None

    @invariant()
    def everybody_is_counted_once(self) -> None:
        assert len(self.harness.audience) == len(self.joined_at)

    def teardown(self) -> None:
        self.go_on(10_000)
        # Those whose tail had to wait drain in turns with the waves, as they would on a loop.
        for turn in range(3):
            for viewer in self.joined_at:
                viewer.drain()
                if turn == 0:
                    self.harness.audience.resume(viewer)
                self.harness.audience.catch_up(viewer)
            self.harness.waves()
        try:
            for viewer, joined_at in self.joined_at.items():
                messages = viewer.messages()
                self.check_entries(messages, joined_at)
                counts = [message["count"] for message in messages if message["type"] == "viewers"]
                assert counts[-1] == len(self.joined_at)
                viewer.received = b""
            self.harness.post(1)
            self.harness.waves()
            for viewer in self.joined_at:
                assert [message["type"] for message in viewer.messages()] == ["batch"]
        finally:
            for viewer in self.harness.viewers:
                viewer.close()

    def check_entries(self, messages: list[dict], joined_at: int) -> None:
        head = self.harness.history.head
        assert_gapless(messages, head, joined_at)
        assert list_seqs(messages) == list(range(joined_at + 1, head + 1))


class ForgetfulAudienceMachine(AudienceMachine):
    """The same with a short history and thinned floods.

    Entries that a viewer was not sent were reported to it, and all viewers miss the same ones.
    """

    @rule(count=st.integers(0, SMALL_HISTORY))
    def forget(self, count: int) -> None:
        """Old entries are kept no longer."""
        self.harness.history.trim(self.harness.history.first + count - 1)
        self.harness.audience.clear_cache()

    def set_stage(self) -> AudienceHarness:
        self.left_out: dict[int, bool] = {}
        return AudienceHarness(delivery_rate=SMALL_RATE, history_limit=SMALL_HISTORY)

    def check_entries(self, messages: list[dict], joined_at: int) -> None:
        assert_gapless(messages, self.harness.history.head, joined_at)
        for batch in messages:
            if batch["type"] != "batch":
                continue
            sent = {entry["seq"] for entry in batch["entries"]}
            covered = range(batch["first"], batch["last"] + 1)
            assert len(sent) + batch.get("thinned", 0) == len(covered)
            for seq in covered:
                assert self.left_out.setdefault(seq, seq not in sent) == (seq not in sent)


TestAudienceMachine = AudienceMachine.TestCase
TestForgetfulAudienceMachine = ForgetfulAudienceMachine.TestCase
TestAudienceMachine.settings = TestForgetfulAudienceMachine.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
