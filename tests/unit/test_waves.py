"""When waves run: their pace, flushing, and an exception in one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chat.core import wire
from chat.core.history import HISTORY_LIMIT
from chat.fanout.batch_cache import BATCH_LIMIT
from chat.fanout.send_group import GROUP_LIMIT
from chat.fanout.waves import Fanout
from chat.metrics import Metrics
from tests.support.audience_harness import AudienceHarness, SocketViewer, assert_gapless, list_seqs

GAP = 0.05


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(steps(), 20))


class RunningHarness(AudienceHarness):
    """A room's audience whose waves the fan-out runs."""

    def __init__(self, fanout: Fanout) -> None:
        super().__init__(schedule=fanout.schedule)
        self.fanout = fanout

    async def wait_until_told(self, viewer: SocketViewer, seq: int) -> None:
        while not (got := list_seqs(viewer.messages())) or got[-1] < seq:
            await self.listen(viewer)

    async def listen(self, viewer: SocketViewer) -> None:
        """Wait for bytes."""
        viewer.received += await asyncio.get_running_loop().sock_recv(viewer.far, 1 << 20)


@asynccontextmanager
async def open_harness(**times: float) -> AsyncIterator[RunningHarness]:
    harness = RunningHarness(Fanout(Metrics(), GAP, **times))
    yield harness
    for viewer in harness.viewers:
        viewer.close()


def test_flush_sends_everything_including_what_arrives_during_a_wave() -> None:
    async def steps() -> None:
        async with open_harness() as harness:
            viewers = [harness.add(SocketViewer(buffer=1 << 20)) for _ in range(GROUP_LIMIT + 1)]
            harness.post(1)
            await asyncio.sleep(0)  # the wave is under way
            harness.post(BATCH_LIMIT + 1)
            await harness.fanout.flush()
            for viewer in viewers:
                assert_gapless(viewer.messages(), harness.history.head)

    run(steps)


def test_running_wave_also_sends_what_arrives_meanwhile() -> None:
    async def steps() -> None:
        async with open_harness(slice_seconds=0, refresh_seconds=0) as harness:
            viewers = [harness.add(SocketViewer()) for _ in range(3 * GROUP_LIMIT)]
            await harness.fanout.flush()  # and from here on waves do not wait for one another
            harness.post(1)
            await asyncio.sleep(0)  # the wave has met the first row
            harness.post(1)
            await harness.fanout.flush()
            first, last = viewers[0].messages(), viewers[-1].messages()
            assert [message["last"] for message in first if message["type"] == "batch"] == [1, 2]
            assert [message["last"] for message in last if message["type"] == "batch"] == [2]

    run(steps)


def test_long_polls_are_woken_at_the_pace_of_waves() -> None:
    async def steps() -> None:
        async with open_harness() as harness:
            loop, woken = asyncio.get_running_loop(), 0
            began = loop.time()
            while loop.time() < began + 10 * GAP:
                harness.post(1)
                await harness.audience.pollers.wait(10)
                woken += 1
            assert woken <= (loop.time() - began) / GAP + 2

    run(steps)


def test_all_long_polls_are_woken() -> None:
    async def steps() -> None:
        async with open_harness() as harness:
            polls = [asyncio.ensure_future(harness.audience.pollers.wait(10)) for _ in range(100)]
            await asyncio.sleep(0)
            harness.post(1)
            await asyncio.gather(*polls)

    run(steps)


def test_failed_wave_is_retried(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def steps() -> None:
        failed = asyncio.Event()

        def fail(*_: object) -> bytes:
            failed.set()
            raise RuntimeError("a bug")

        async with open_harness(retry_seconds=GAP) as harness:
            viewer = harness.add(SocketViewer())
            while not any(message["type"] == "viewers" for message in viewer.messages()):
                await harness.listen(viewer)  # from here on the count is no reason for a wave
            with monkeypatch.context() as broken:
                broken.setattr(wire, "encode_batch", fail)
                harness.post(1)
                await failed.wait()
            poll = asyncio.ensure_future(harness.audience.pollers.wait(10))
            await harness.wait_until_told(viewer, 1)
            await poll
            assert "a wave failed" in caplog.text

    run(steps)


def test_viewer_whose_tail_cannot_be_buffered_is_dropped_and_others_lose_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(SocketViewer):
        def buffer_tail(self, tail: memoryview) -> None:
            raise RuntimeError("a bug")

    async def steps() -> None:
        async with open_harness() as harness:
            broken, well = (
                harness.add(Broken(buffer=4_096)),
                harness.add(SocketViewer(buffer=1 << 20)),
            )
            for _ in range(HISTORY_LIMIT // BATCH_LIMIT):
                harness.post(BATCH_LIMIT)
                await harness.wait_until_told(well, harness.history.head)
            assert broken.aborted
            assert "could not be buffered" in caplog.text
            assert_gapless(well.messages(), harness.history.head)

    run(steps)
