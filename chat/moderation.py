"""What moderators do in a room: each method is one act, stored with the entry that it causes.

Who may do it is decided before, by a token; what the act changes, by the journal and the room.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from chat.core.comment import Comment, clean_line
from chat.core.entry import decode_entry, join_bodies
from chat.core.moderation.acts import (
    MAX_REASON_BYTES,
    MAX_REASON_GRAPHEMES,
    ClearAct,
    DecideAct,
    DismissAct,
    HoldAct,
    LiftAct,
    ReportAct,
    RetractAct,
    SanctionAct,
    decode_act,
)
from chat.core.moderation.held import Cause, Decision, HeldComment, HeldRecord, decode_held
from chat.core.moderation.reports import ReportedComment
from chat.core.moderation.sanctions import SANCTION_LIMIT
from chat.core.reject import Code, Rejection, reject
from chat.core.requests import SanctionRequest
from chat.core.responses import (
    DecisionDone,
    Done,
    HeldItem,
    HeldList,
    ReportItem,
    ReportList,
    Sanction,
    SanctionList,
    UserCard,
)
from chat.core.retraction import Clear, ClearUser, Retracted, Retraction
from chat.core.room_state import Author
from chat.environment import SYSTEM_CLOCK, Clock
from chat.journal import Journal, ReadFailed
from chat.posts import BUSY_SECONDS
from chat.room import Room

CARD_COMMENTS = 20


class Moderation:
    """The acts of moderators. All methods return once their result is durable."""

    def __init__(self, journal: Journal, clock: Clock = SYSTEM_CLOCK) -> None:
        self._journal = journal
        self._clock = clock

    async def retract(
        self, room: Room, seq: int, author: Author, reason: str | None = None
    ) -> Done | Rejection:
        """Remove a comment for everybody; again, it returns the same place."""
        cleaned = _clean_reason(reason)
        if isinstance(cleaned, Rejection):
            return cleaned
        try:
            comment = await room.find_entry(seq)
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
        if not isinstance(comment, Comment | Retracted):
            return reject(Code.NOT_FOUND)
        user, name = ("", "") if isinstance(comment, Retracted) else (comment.user, comment.name)
        at = self._clock.unix_ms()
        result = await room.append_act(
            Retraction(seq=0, target=seq, at=at),
            RetractAct(
                at=at, by=author.user, by_name=author.name, reason=cleaned,
                seq=seq, user=user, name=name,
            ),
            # The comment's number makes a repeated act a duplicate, also after a restart.
            ref=_retraction_ref(seq),
        )  # fmt: skip
        return result if isinstance(result, Rejection) else Done(room.epoch, result.seq)

    async def clear(
        self, room: Room, user: str | None, author: Author, reason: str | None = None
    ) -> Done | Rejection:
        """Remove all comments that the room has now, or those of one user."""
        cleaned = _clean_reason(reason)
        if isinstance(cleaned, Rejection):
            return cleaned
        at, before = self._clock.unix_ms(), room.head
        result = await room.append_act(
            Clear(seq=0, before=before, at=at)
            if user is None
            else ClearUser(seq=0, user=user, before=before, at=at),
            ClearAct(
                at=at, by=author.user, by_name=author.name, reason=cleaned,
                before=before, user=user or "",
            ),
        )  # fmt: skip
        return result if isinstance(result, Rejection) else Done(room.epoch, result.seq)

    async def sanction(
        self, room: Room, wanted: SanctionRequest, author: Author
    ) -> Sanction | Rejection:
        """Mute or ban a user; a sanction of the same kind against the user is replaced."""
        cleaned = _clean_reason(wanted.reason)
        if isinstance(cleaned, Rejection):
            return cleaned
        at = self._clock.unix_ms()
        if len(room.sanctions) >= SANCTION_LIMIT:
            room.sanctions.drop_expired(at)
            if len(room.sanctions) >= SANCTION_LIMIT:
                return reject(Code.BUSY, retry_after=BUSY_SECONDS)
        address = await self._find_address(room, wanted.user) if wanted.address else ""
        if isinstance(address, Rejection):
            return address
        act = SanctionAct(
            at=at,
            by=author.user,
            by_name=author.name,
            reason=cleaned,
            sanction=wanted.kind,
            user=wanted.user,
            until=None if wanted.minutes is None else at + wanted.minutes * 60_000,
            address=address,
        )
        result = await room.append_act(None, act)
        return result if isinstance(result, Rejection) else _describe(replace(act, id=result.act))

    async def _find_address(self, room: Room, user: str) -> str | Rejection:
        try:
            found = await self._journal.find_address(room.name, user)
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
        return found or reject(Code.BAD_FIELD, detail="no address of this user is known")

    async def lift(self, room: Room, number: int, author: Author) -> Rejection | None:
        """End a sanction; one that has ended already is left alone."""
        at, act = self._clock.unix_ms(), room.sanctions.find(number)
        if act is None or act.is_over(at):
            return await self._check_was_sanction(room, number)
        lift = LiftAct(
            at=at,
            by=author.user,
            by_name=author.name,
            lifted=number,
            sanction=act.sanction,
            user=act.user,
        )
        result = await room.append_act(None, lift)
        return result if isinstance(result, Rejection) else None

    async def _check_was_sanction(self, room: Room, number: int) -> Rejection | None:
        try:
            found = await self._journal.read_acts(room.name, number - 1, 1)
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
        acts = [decode_act(body).act for body in found]
        is_known = any(isinstance(act, SanctionAct) and act.id == number for act in acts)
        return None if is_known else reject(Code.NOT_FOUND)

    async def list_held(self, room: Room) -> HeldList | Rejection:
        """Return the comments that wait for a moderator, oldest first."""
        known = room.acts
        try:
            records = await self._journal.read_held(room.name)
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
        room.held.keep({one.number for one in records}, known)
        return HeldList([_describe_held(one) for one in records])

    async def decide(
        self, room: Room, number: int, approved: bool, author: Author, reason: str | None = None
    ) -> DecisionDone | Rejection:
        """Approve a held comment, or not; after another decision that one is returned."""
        cleaned = _clean_reason(reason)
        if isinstance(cleaned, Rejection):
            return cleaned
        try:
            record = await self._journal.find_held(room.name, number)
            if record is None:
                return reject(Code.NOT_FOUND)
            if record.decision is None:
                at, held = self._clock.unix_ms(), decode_held(record.body)
                act = DecideAct(
                    at=at, by=author.user, by_name=author.name, reason=cleaned,
                    held=number, approved=approved, user=held.comment.user, name=held.comment.name,
                )  # fmt: skip
                shown = replace(held.comment, at=at) if approved else None
                result = await room.append_act(shown, act)
                if isinstance(result, Rejection):
                    return result
                if not result.dup:
                    return DecisionDone(number, approved, room.epoch, result.seq)
                record = await self._journal.find_held(room.name, number)
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
        if record is None:
            return reject(Code.NOT_FOUND)
        was_approved = record.decision is Decision.APPROVED
        return DecisionDone(number, was_approved, room.epoch, record.seq or room.head)

    async def report(
        self, room: Room, seq: int, reporter: str, author: Author | None, reason: str | None = None
    ) -> Rejection | None:
        """Report a comment to moderators; a repeated report counts once.

        ``reporter`` identifies who reports. With the report that reaches the room's threshold the
        comment is retracted, and held.
        """
        cleaned = _clean_reason(reason)
        if isinstance(cleaned, Rejection):
            return cleaned
        comment = await self._find_comment(room, seq)
        if isinstance(comment, Rejection):
            return comment
        by, by_name = ("", "") if author is None else (author.user, author.name)
        act = ReportAct(
            at=self._clock.unix_ms(), by=by, by_name=by_name, reason=cleaned,
            seq=seq, user=comment.user, name=comment.name,
        )  # fmt: skip
        result = await room.append_act(None, act, payload=reporter.encode())
        if isinstance(result, Rejection):
            return result
        reports = result.reports
        assert reports is not None
        if reports.refused:
            if reports.refused == "full":
                return reject(Code.BUSY, retry_after=BUSY_SECONDS)
            return reject(Code.NOT_FOUND)
        threshold = room.report_threshold
        if threshold and reports.count >= threshold and not comment.role.is_staff:
            await self._hold_reported(room, comment)
        return None

    async def _find_comment(self, room: Room, seq: int) -> Comment | Rejection:
        try:
            entry = await room.find_entry(seq)
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
        return entry if isinstance(entry, Comment) else reject(Code.NOT_FOUND)

    async def _hold_reported(self, room: Room, comment: Comment) -> None:
        # If this fails, the next report tries it again.
        if room.held.is_full:
            return
        at, seq = self._clock.unix_ms(), comment.seq
        act = HoldAct(
            at=at, by="", by_name="", user=comment.user, name=comment.name,
            cause=Cause.REPORTS, seq=seq,
        )  # fmt: skip
        payload = msgspec.json.encode(HeldComment(comment, Cause.REPORTS))
        await room.append_act(
            Retraction(seq=0, target=seq, at=at), act, ref=_retraction_ref(seq), payload=payload
        )

    async def list_reports(self, room: Room) -> ReportList | Rejection:
        """Return the comments with open reports, those with most reports first."""
        try:
            reported = await self._journal.read_reports(room.name)
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
        return ReportList([_describe_report(one) for one in reported])

    async def dismiss(self, room: Room, seq: int, author: Author) -> Rejection | None:
        """Dismiss the reports on a comment; again, it does nothing."""
        comment = await self._find_comment(room, seq)
        if isinstance(comment, Rejection):
            return comment
        act = DismissAct(
            at=self._clock.unix_ms(), by=author.user, by_name=author.name,
            seq=seq, user=comment.user, name=comment.name,
        )  # fmt: skip
        result = await room.append_act(None, act)
        return result if isinstance(result, Rejection) else None

    def list_sanctions(self, room: Room) -> SanctionList:
        """Return the sanctions in force, oldest first."""
        found = room.sanctions.find_all(self._clock.unix_ms())
        return SanctionList([_describe(act) for act in found])

    async def read_log(self, room: Room, after: int | None, limit: int) -> Raw | Rejection:
        """Return the acts after a number as a JSON array, oldest first; None for the newest."""
        if after is None:
            after = max(0, room.acts - limit)
        try:
            return join_bodies(await self._journal.read_acts(room.name, after, limit))
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)

    async def find_user(self, room: Room, user: str) -> UserCard | Rejection:
        """Return what is known about a user who posted lately."""
        try:
            record = await self._journal.find_user(room.name, user, CARD_COMMENTS)
        except ReadFailed:
            return reject(Code.NOT_READ, retry_after=BUSY_SECONDS)
        sanctions = room.sanctions.find_of(user, self._clock.unix_ms())
        if record is None and not sanctions:
            return reject(Code.NOT_FOUND)
        bodies = record.newest if record else []
        entries = [decode_entry(body).entry for body in bodies]
        names = [entry.name for entry in entries if isinstance(entry, Comment)]
        return UserCard(
            user=user,
            name=names[-1] if names else "",
            first_seen=record.first_seen if record else None,
            comments=join_bodies(bodies),
            sanctions=[_describe(act) for act in sanctions],
            reports=record.reports if record else 0,
        )


def _describe(act: SanctionAct) -> Sanction:
    has_address = bool(act.address)
    return Sanction(
        act.id, act.user, act.sanction, act.until, has_address, act.reason, act.by, act.at
    )


def _describe_held(record: HeldRecord) -> HeldItem:
    held = decode_held(record.body)
    one = held.comment
    return HeldItem(record.number, one.user, one.name, one.text, one.at, held.cause)


def _describe_report(reported: ReportedComment) -> ReportItem:
    comment = decode_entry(reported.body).entry
    assert isinstance(comment, Comment)
    return ReportItem(
        reported.seq,
        comment.user,
        comment.name,
        comment.text,
        comment.at,
        reported.count,
        reported.reasons,
        reported.last,
    )


def _retraction_ref(seq: int) -> str:
    return f"retract:{seq}"


def _clean_reason(raw: str | None) -> str | Rejection:
    reason = clean_line(raw or "", MAX_REASON_GRAPHEMES, MAX_REASON_BYTES)
    if reason is None:
        detail = f"reason is longer than {MAX_REASON_GRAPHEMES} characters"
        return reject(Code.BAD_FIELD, detail=detail)
    return reason
