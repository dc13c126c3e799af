"""The posts of a room: what is admitted is stored once, and each has one outcome."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec

from chat.core import wire
from chat.core.comment import Comment
from chat.core.entry import Shadowed
from chat.core.moderation.acts import HoldAct
from chat.core.moderation.held import Cause, Decision, HeldComment, HeldPost, HeldRecord
from chat.core.reject import Code, Rejection, reject
from chat.core.room_state import Author, Duplicate, RoomState
from chat.environment import Clock
from chat.journal import AppendFailed, AppendResult, Busy, Journal
from chat.judge import Judge, JudgeAction, Verdict
from chat.metrics import Metrics

RETRY_LIMIT = 8
BUSY_SECONDS = 1.0

_BUSY = reject(Code.BUSY, retry_after=BUSY_SECONDS)

Result = wire.Ack | HeldPost | Rejection

Outcome = asyncio.Future[Result]
"""The result of a post. Retries share the future: await it through ``asyncio.shield()``."""


class _PendingPost(msgspec.Struct):
    """The retries of a post that is being stored, and the outcome that all of them share."""

    retries: int = 0
    retry_outcome: Outcome | None = None


class Posts:
    """The posts of one room. ``in_flight`` is how many are being stored."""

    def __init__(
        self,
        state: RoomState,
        journal: Journal,
        metrics: Metrics,
        clock: Clock,
        judge: Judge | None,
    ) -> None:
        self._state = state
        self._journal = journal
        self._metrics = metrics
        self._clock = clock
        self._judge = judge
        # Those in flight that have a ref, by user and ref.
        self._pending: dict[tuple[str, str], _PendingPost] = {}
        self.in_flight = 0

    def post(self, author: Author, post: wire.Post, now: float, at: int, address: str) -> Outcome:
        """Post a comment; return a future of its ack, set once it is durable, or of a rejection.

        A comment that is held is durable, too, and waits for a moderator. ``now`` is the monotonic
        clock in seconds, ``at`` the server's clock in Unix milliseconds, ``address`` the hash of
        the sender's address. Retries of a post in flight share one future, whose ack has ``dup``.
        """
        key = None if post.ref is None else (author.user, post.ref)
        if key is not None and (pending := self._pending.get(key)) is not None:
            return self._retry(pending)
        if key is not None and (number := self._state.held.find(*key)) is not None:
            return _resolved(HeldPost(post.ref, number, is_repeated=True))
        admitted = self._state.admit(author, post, now, at, address)
        if isinstance(admitted, Rejection):
            return self.reject(admitted)
        if isinstance(admitted, Duplicate):
            return _resolved(wire.Ack(post.ref, self._state.epoch, admitted.seq, dup=True))
        outcome = self._begin(key)
        judge = self._judge
        if judge is None or author.role.is_staff or isinstance(admitted, Shadowed | HeldComment):
            self._store(author, post, admitted, address, outcome)
        elif judge.is_full:
            self._state.withdraw(author, post)
            self._end(outcome, author, post, _BUSY)
        else:
            judged = judge.ask(self._state.name, admitted)
            judged.add_done_callback(
                partial(self._apply_verdict, author, post, admitted, address, outcome)
            )
        return outcome

    def _begin(self, key: tuple[str, str] | None) -> Outcome:
        self.in_flight += 1
        if key is not None:
            self._pending[key] = _PendingPost()
        return asyncio.get_running_loop().create_future()

    def _end(self, outcome: Outcome, author: Author, post: wire.Post, result: Result) -> None:
        """Set the outcome of a post, and that of its retries."""
        self.in_flight -= 1
        if isinstance(result, Rejection):
            self._metrics.count_rejection(result)
        _resolve(outcome, result)
        if post.ref is None:
            return
        if (retried := self._pending.pop((author.user, post.ref)).retry_outcome) is not None:
            if isinstance(result, wire.Ack):
                result = msgspec.structs.replace(result, dup=True)
            _resolve(retried, result)

    def _apply_verdict(
        self,
        author: Author,
        post: wire.Post,
        comment: Comment,
        address: str,
        outcome: Outcome,
        judged: asyncio.Task[Verdict],
    ) -> None:
        """Store what the judge allows; called once it has answered, or failed to."""
        if judged.cancelled():
            self._end(outcome, author, post, reject(Code.RESTARTING, retry_after=BUSY_SECONDS))
            return
        verdict = judged.result()
        if verdict is None and not (self._judge and self._judge.fails_open):
            self._state.withdraw(author, post)
            self._end(outcome, author, post, _BUSY)
            return
        action = JudgeAction.ALLOW if verdict is None else verdict.action
        if action is JudgeAction.REJECT:
            # It counts towards the sender's rate: the judge's work was done.
            self._end(outcome, author, post, reject(Code.FILTERED))
            return
        admitted: Comment | Shadowed | HeldComment = comment
        if verdict is not None and action is JudgeAction.MASK:
            admitted = msgspec.structs.replace(comment, text=verdict.text)
        elif action is JudgeAction.HOLD:
            admitted = HeldComment(comment, Cause.JUDGE)
        self._store(author, post, admitted, address, outcome)

    def _store(
        self,
        author: Author,
        post: wire.Post,
        admitted: Comment | Shadowed | HeldComment,
        address: str,
        outcome: Outcome,
    ) -> None:
        try:
            appended = self._append(admitted, post.ref, address)
        except Busy:
            self._state.withdraw(author, post)
            self._end(outcome, author, post, _BUSY)
            return

        def finish(appended: asyncio.Future[AppendResult]) -> None:
            self._state.held.storing -= isinstance(admitted, HeldComment)
            self._end(outcome, author, post, self._conclude(author, post, appended))

        appended.add_done_callback(finish)

    def _append(
        self, admitted: Comment | Shadowed | HeldComment, ref: str | None, address: str
    ) -> asyncio.Future[AppendResult]:
        room, held = self._state.name, self._state.held
        if isinstance(admitted, Comment | Shadowed):
            return self._journal.append(room, admitted, ref, address=address)
        if held.is_full:
            raise Busy
        comment = admitted.comment
        act = HoldAct(
            at=comment.at,
            by="",
            by_name="",
            user=comment.user,
            name=comment.name,
            cause=admitted.cause,
            ref=ref,
        )
        body = msgspec.json.encode(admitted)
        appended = self._journal.append(room, None, ref, act, address, body)
        held.storing += 1
        return appended

    def reject(self, rejection: Rejection) -> Outcome:
        """Count a rejection, and return it as a post's outcome."""
        return _resolved(self._metrics.count_rejection(rejection))

    def _retry(self, pending: _PendingPost) -> Outcome:
        if pending.retries >= RETRY_LIMIT:
            return self.reject(reject(Code.BUSY, retry_after=BUSY_SECONDS))
        pending.retries += 1
        if pending.retry_outcome is None:
            pending.retry_outcome = asyncio.get_running_loop().create_future()
        return pending.retry_outcome

    def _conclude(
        self, author: Author, post: wire.Post, appended: asyncio.Future[AppendResult]
    ) -> Result:
        """Return the result of a post whose append has ended."""
        try:
            result = appended.result()
        except AppendFailed:
            self._state.withdraw(author, post)
            return reject(Code.NOT_KEPT, retry_after=BUSY_SECONDS)
        held = HeldRecord(result.act) if result.act else result.held
        if held is not None and held.decision is not Decision.APPROVED:
            return self._describe_held(post.ref, held, result.dup)
        if post.ref is not None:
            self._state.remember(author.user, post.ref, result.seq, self._clock.monotonic())
        return wire.Ack(post.ref, self._state.epoch, result.seq, result.dup)

    def _describe_held(self, ref: str | None, held: HeldRecord, is_repeated: bool) -> Result:
        if held.decision is not None:
            return reject(Code.NOT_APPROVED)
        if self._state.held.is_decided(held.number):
            # Since this was read: the next retry is told how.
            return _BUSY
        return HeldPost(ref, held.number, is_repeated)


def _resolved(result: Result) -> Outcome:
    outcome: Outcome = asyncio.get_running_loop().create_future()
    outcome.set_result(result)
    return outcome


def _resolve(outcome: Outcome, result: Result) -> None:
    # Done already if a caller cancelled it without a shield.
    if not outcome.done():
        outcome.set_result(result)
