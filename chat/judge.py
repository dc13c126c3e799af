"""Asks a program of the operator about each comment before it is stored.

The judge is an HTTP service of the site: it gets a signed request for each comment of a viewer, and
answers what happens to it; docs/moderation.md describes both. It is never asked twice about one
comment, and a sender's comments keep their order.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum

import msgspec

from chat.core.comment import Comment, clean_text
from chat.core.reject import Rejection
from chat.metrics import Metrics

REQUESTS_AT_ONCE = 64
WAITING_LIMIT = 1_000

_log = logging.getLogger(__name__)


class JudgeAction(StrEnum):
    """What happens to a comment."""

    ALLOW = "allow"
    MASK = "mask"
    HOLD = "hold"
    REJECT = "reject"


class Question(msgspec.Struct, frozen=True):
    """The body of a request: a comment as it would be posted; ``at`` in Unix milliseconds."""

    room: str
    user: str
    name: str
    text: str
    at: int


class Answer(msgspec.Struct, frozen=True):
    """The body of a response; ``text`` is what is shown instead, with the action ``mask``."""

    action: JudgeAction
    text: str = ""


Verdict = Answer | None
"""What the judge has answered; None if it has not, or nothing that can be used."""

Ask = Callable[[bytes, str], Awaitable[bytes]]
"""(body, signature): sends a request, and returns the body of the response; may raise anything."""

_answers = msgspec.json.Decoder(Answer)


class Judge:
    """Asks with ``ask``, at most 64 times at once, and signs with ``secret`` (HMAC-SHA256).

    ``fails_open``: what it gives no verdict on is allowed, otherwise rejected.
    """

    def __init__(self, ask: Ask, secret: str, metrics: Metrics, *, fails_open: bool) -> None:
        self.fails_open = fails_open
        self._ask = ask
        self._secret = secret.encode()
        self._failures = metrics.judge_failures
        self._slots = asyncio.Semaphore(REQUESTS_AT_ONCE)
        self._tasks: dict[asyncio.Task[Verdict], None] = {}
        # The newest question about each sender's comments.
        self._last: dict[tuple[str, str], asyncio.Task[Verdict]] = {}
        metrics.watch(
            "danmaku_judged_comments",
            "Comments that wait for the judge",
            lambda: len(self._tasks),
        )

    @property
    def is_full(self) -> bool:
        """Whether no more comments may wait for the judge."""
        return len(self._tasks) >= REQUESTS_AT_ONCE + WAITING_LIMIT

    def ask(self, room: str, comment: Comment) -> asyncio.Task[Verdict]:
        """Ask about a comment; the task ends after those of the sender's earlier comments.

        It is cancelled when the server stops.
        """
        sender = room, comment.user
        question = Question(room, comment.user, comment.name, comment.text, comment.at)
        work = self._judge(question, self._last.get(sender))
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        self._last[sender] = task

        def forget(done: asyncio.Task[Verdict]) -> None:
            del self._tasks[done]
            if self._last.get(sender) is done:
                del self._last[sender]

        task.add_done_callback(forget)
        return task

    async def _judge(self, question: Question, earlier: asyncio.Task[Verdict] | None) -> Verdict:
        async with self._slots:
            verdict = await self._fetch(question)
        if earlier is not None:
            await asyncio.wait([earlier])
        return verdict

    async def _fetch(self, question: Question) -> Verdict:
        body = msgspec.json.encode(question)
        signature = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        try:
            return _read_answer(await self._ask(body, f"sha256={signature}"))
        except Exception as error:
            # Whatever a peer that is not ours does: refuses, is slow, answers nonsense.
            self._failures.inc()
            _log.warning("the judge gave no verdict: %s", error or type(error).__name__)
            return None

    async def stop(self) -> None:
        """Cancel what waits for the judge."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(list(self._tasks))


def _read_answer(body: bytes) -> Answer:
    """Return an answer; raises ValueError if it cannot be used."""
    answer = _answers.decode(body)
    if answer.action is JudgeAction.MASK:
        text = clean_text(answer.text)
        if isinstance(text, Rejection):
            raise ValueError(f"the text to show is not valid: {text.message}")
        return Answer(answer.action, text)
    return answer
