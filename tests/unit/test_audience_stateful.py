"""Whatever viewers do, and whenever: between two waves, or between two steps of one."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chat.fanout.pieces import DEFLATE, PLAIN
from chat.fanout.row import ROW_LIMIT
from tests.unit.audience_stage import SocketViewer, Stage, assert_gapless, list_seqs

numbers = st.integers(0, 10_000)


class AudienceMachine(RuleBasedStateMachine):
    """Viewers join, leave, pause, stall and drain while waves are under way.

    However they were led, each has in the end every entry since it joined, once and in order, and
    the right count of viewers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage()
        self.joined_at: dict[SocketViewer, int] = {}
        self.paused: set[SocketViewer] = set()
        self.under_way: Iterator[int] | None = None

    def pick(self, number: int) -> SocketViewer | None:
        viewers = list(self.joined_at)
        return viewers[number % len(viewers)] if viewers else None

    @rule(count=st.sampled_from([1, 3, ROW_LIMIT // 2, 2 * ROW_LIMIT]), packed=st.booleans())
    def join(self, count: int, packed: bool) -> None:
        for _ in range(count):
            viewer = self.stage.add(SocketViewer(DEFLATE if packed else PLAIN))
            self.joined_at[viewer] = self.stage.history.head

    @rule(first=numbers, count=st.sampled_from([1, 2, ROW_LIMIT]))
    def leave(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            viewer = self.pick(number)
            if viewer is not None:
                self.stage.audience.remove(viewer)
                self.stage.viewers.remove(viewer)
                self.paused.discard(viewer)
                del self.joined_at[viewer]
                viewer.close()

    @rule(number=numbers)
    def pause(self, number: int) -> None:
        viewer = self.pick(number)
        if viewer is not None:
            self.stage.audience.pause(viewer)
            self.paused.add(viewer)

    @rule(number=numbers)
    def resume(self, number: int) -> None:
        viewer = self.pick(number)
        if viewer is not None:
            self.stage.audience.resume(viewer)
            self.paused.discard(viewer)

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

    @rule(count=st.integers(1, 9))
    def say(self, count: int) -> None:
        self.stage.say(count)

    @rule()
    def begin_wave(self) -> None:
        if self.under_way is None:
            self.stage.clock += 1
            wave = self.stage.audience.prepare_wave(self.stage.clock)
            self.under_way = None if wave is None else self.stage.audience.pass_on(wave)

    @rule(steps=st.sampled_from([1, 2, ROW_LIMIT, 10_000]))
    def go_on(self, steps: int) -> None:
        for _ in range(steps):
            if self.under_way is not None and next(self.under_way, None) is None:
                self.under_way = None

    @rule()
    def break_off(self) -> None:
        """A bug in the middle of a wave costs nobody an entry."""
        self.under_way = None

    @invariant()
    def everybody_is_counted_once(self) -> None:
        assert len(self.stage.audience) == len(self.joined_at)

    def teardown(self) -> None:
        self.go_on(10_000)
        for viewer in self.joined_at:
            viewer.drain()
            self.stage.audience.resume(viewer)
            self.stage.audience.catch_up(viewer)
        self.stage.say(1)
        self.stage.waves()
        if self.stage.audience.is_miscounted():
            self.stage.wave()
        head = self.stage.history.head
        try:
            for viewer, joined_at in self.joined_at.items():
                messages = viewer.messages()
                assert_gapless(messages, head, joined_at)
                assert list_seqs(messages) == list(range(joined_at + 1, head + 1))
                counts = [told["count"] for told in messages if told["type"] == "viewers"]
                assert counts[-1] == len(self.joined_at)
        finally:
            for viewer in self.stage.viewers:
                viewer.close()


TestAudienceMachine = AudienceMachine.TestCase
TestAudienceMachine.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
