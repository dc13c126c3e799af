"""When waves run: their pace, their end, and what a bug in one of them costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

import chat.fanout.waves
from chat.core import pace, wire
from chat.core.history import HISTORY_LIMIT
from chat.fanout.pieces import BATCH_LIMIT
from chat.fanout.row import ROW_LIMIT
from chat.fanout.waves import Fanout
from chat.metrics import Metrics
from tests.unit.audience_stage import SocketViewer, Stage, assert_gapless, list_seqs

GAP = 0.05


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(steps(), 20))


class LiveStage(Stage):
    """A room's audience whose waves the fan-out runs."""

    def __init__(self, fanout: Fanout) -> None:
        super().__init__(plan=fanout.plan)
        self.fanout = fanout

    def say(self, count: int, *names: Any) -> None:
        super().say(count, *names)
        self.audience.mark()

    async def wait_until_told(self, viewer: SocketViewer, seq: int) -> None:
        while not (got := list_seqs(viewer.messages())) or got[-1] < seq:
            await self.listen(viewer)

    async def listen(self, viewer: SocketViewer) -> None:
        """Wait for bytes."""
        viewer.received += await asyncio.get_running_loop().sock_recv(viewer.far, 1 << 20)


@asynccontextmanager
async def open_stage() -> AsyncIterator[LiveStage]:
    stage = LiveStage(Fanout(Metrics(), GAP))
    yield stage
    for viewer in stage.viewers:
        viewer.close()


def test_settling_sends_all_that_is_there_also_what_came_during_a_wave() -> None:
    async def steps() -> None:
        async with open_stage() as stage:
            viewers = [stage.add(SocketViewer(buffer=1 << 20)) for _ in range(ROW_LIMIT + 1)]
            stage.say(1)
            await asyncio.sleep(0)  # the wave is under way
            stage.say(BATCH_LIMIT + 1)
            await stage.fanout.settle()
            for viewer in viewers:
                assert_gapless(viewer.messages(), stage.history.head)

    run(steps)


def test_wave_takes_up_what_is_said_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat.fanout.waves, "SLICE_SECONDS", 0)
    monkeypatch.setattr(pace, "TAKE_UP_SECONDS", 0)

    async def steps() -> None:
        async with open_stage() as stage:
            viewers = [stage.add(SocketViewer()) for _ in range(3 * ROW_LIMIT)]
            await stage.fanout.settle()  # and from here on waves do not wait for one another
            stage.say(1)
            await asyncio.sleep(0)  # the wave has met the first row
            stage.say(1)
            await stage.fanout.settle()
            first, last = viewers[0].messages(), viewers[-1].messages()
            assert [told["last"] for told in first if told["type"] == "batch"] == [1, 2]
            assert [told["last"] for told in last if told["type"] == "batch"] == [2]

    run(steps)


def test_long_polls_are_woken_at_the_pace_of_waves() -> None:
    async def steps() -> None:
        async with open_stage() as stage:
            loop, woken = asyncio.get_running_loop(), 0
            began = loop.time()
            while loop.time() < began + 10 * GAP:
                stage.say(1)
                await stage.audience.wait_for_news(10)
                woken += 1
            assert woken <= (loop.time() - began) / GAP + 2

    run(steps)


def test_all_long_polls_are_woken() -> None:
    async def steps() -> None:
        async with open_stage() as stage:
            polls = [asyncio.ensure_future(stage.audience.wait_for_news(10)) for _ in range(100)]
            await asyncio.sleep(0)
            stage.say(1)
            await asyncio.gather(*polls)

    run(steps)


def test_wave_that_fails_is_had_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(chat.fanout.waves, "RETRY_SECONDS", GAP)

    async def steps() -> None:
        failed = asyncio.Event()

        def fail(*_: object) -> bytes:
            failed.set()
            raise RuntimeError("a bug")

        async with open_stage() as stage:
            viewer = stage.add(SocketViewer())
            while not any(told["type"] == "viewers" for told in viewer.messages()):
                await stage.listen(viewer)  # from here on the count is no reason for a wave
            with monkeypatch.context() as broken:
                broken.setattr(wire, "encode_batch", fail)
                stage.say(1)
                await failed.wait()
            poll = asyncio.ensure_future(stage.audience.wait_for_news(10))
            await stage.wait_until_told(viewer, 1)
            await poll
            assert "a wave failed" in caplog.text

    run(steps)


def test_viewer_whose_tail_cannot_be_kept_is_let_go_and_costs_the_others_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(SocketViewer):
        def spill(self, tail: memoryview) -> None:
            raise RuntimeError("a bug")

    async def steps() -> None:
        async with open_stage() as stage:
            broken, well = stage.add(Broken(buffer=4_096)), stage.add(SocketViewer(buffer=1 << 20))
            for _ in range(HISTORY_LIMIT // BATCH_LIMIT):
                stage.say(BATCH_LIMIT)
                await stage.wait_until_told(well, stage.history.head)
            assert broken.gone
            assert "could not be kept" in caplog.text
            assert_gapless(well.messages(), stage.history.head)

    run(steps)
