"""What waits for the judge: bounded, in order, and ended by a stop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chat.core.comment import Comment
from chat.judge import REQUESTS_AT_ONCE, WAITING_LIMIT, Answer, Judge, JudgeAction
from chat.metrics import Metrics
from tests.support.hub_harness import run


def comment(text: str = "hello", user: str = "owl") -> Comment:
    return Comment(seq=0, user=user, name="Owl", text=text, at=5)


def make(ask: Callable[[bytes, str], Awaitable[bytes]]) -> Judge:
    return Judge(ask, "a secret", Metrics(), fails_open=True)


def test_verdicts_of_a_sender_come_in_order_although_the_answers_do_not() -> None:
    async def steps() -> None:
        asked: dict[str, asyncio.Future[bytes]] = {}

        async def ask(body: bytes, _signature: str) -> bytes:
            text = json.loads(body)["text"]
            asked[text] = asyncio.get_running_loop().create_future()
            return await asked[text]

        judge = make(ask)
        first, second = judge.ask("demo", comment("1")), judge.ask("demo", comment("2"))
        other = judge.ask("demo", comment("3", user="fox"))
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(asked) == 3
        for text in ("3", "2"):
            asked[text].set_result(b'{"action":"allow"}')
        assert await other == Answer(JudgeAction.ALLOW)
        assert not second.done()
        asked["1"].set_result(b'{"action":"reject"}')
        assert await second == Answer(JudgeAction.ALLOW)
        assert first.result() == Answer(JudgeAction.REJECT)

    run(steps)


def test_only_so_many_are_asked_at_once_and_wait() -> None:
    async def steps() -> None:
        asked = 0

        async def ask(_body: bytes, _signature: str) -> bytes:
            nonlocal asked
            asked += 1
            await asyncio.get_running_loop().create_future()
            return b""

        judge = make(ask)
        while not judge.is_full:
            judge.ask("demo", comment())
        for _ in range(3):
            await asyncio.sleep(0)
        assert asked == REQUESTS_AT_ONCE
        tasks = list(judge._tasks)
        assert len(tasks) == REQUESTS_AT_ONCE + WAITING_LIMIT
        await judge.stop()
        assert all(task.cancelled() for task in tasks)
        assert not judge.is_full

    run(steps)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b'{"action":"delete"}',
        b'{"action":"mask"}',
        b'{"action":"mask","text":" "}',
        json.dumps({"action": "mask", "text": "x" * 101}).encode(),
        OSError("refused"),
        RuntimeError(),
    ],
)
def test_what_cannot_be_used_is_no_verdict(answer: Any) -> None:
    async def steps() -> None:
        async def ask(_body: bytes, _signature: str) -> bytes:
            if isinstance(answer, Exception):
                raise answer
            result: bytes = answer
            return result

        assert await make(ask).ask("demo", comment()) is None

    run(steps)
