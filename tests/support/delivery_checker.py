"""Checks recorded histories against the archive. Pure: histories in, a sentence per violation out.

As in Jepsen, every client records what it sent, what was acked and what it received while faults
are injected; afterwards the histories are compared with each other and with the archive.
It relies on one thing: no two posts have the same text.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
Cursor = tuple[str, int]


@dataclass(frozen=True)
class Joined:
    """A welcome after a handshake with the cursor ``after``; ``seq`` is the head."""

    epoch: str
    seq: int
    recovered: bool
    entries: list[Body]
    after: Cursor | None = None


@dataclass(frozen=True)
class Received:
    """A batch that covers ``first..last``; ``thinned`` of them were omitted."""

    first: int
    last: int
    entries: list[Body]
    thinned: int = 0


@dataclass(frozen=True)
class Skipped:
    """The server reported that it will not send ``first..last``."""

    first: int
    last: int


@dataclass(frozen=True)
class Acked:
    """The post of this text is durable under this number."""

    text: str
    epoch: str
    seq: int


@dataclass
class History:
    """What one viewer received, in order, and its acks."""

    viewer: str
    seen: list[Joined | Received | Skipped] = field(default_factory=list)
    acked: list[Acked] = field(default_factory=list)


def check(
    histories: list[History], archive: dict[Cursor, Body], trimmed: Container[Cursor] = ()
) -> list[str]:
    """Return one sentence for each violation; ``archive`` is what is stored in the end.

    What was ``trimmed`` may be stored again: its refs were forgotten with it.
    """
    retractions = _find_retractions(histories, archive)
    return [
        *_check_acks(histories, archive, retractions, trimmed),
        *_check_bodies(histories, archive),
        *_check_twice(archive, trimmed),
        *_check_archive_retractions(archive, retractions),
        *(sentence for history in histories for sentence in _check_stream(history)),
        *(
            sentence
            for history in histories
            for sentence in _check_retractions(history, retractions)
        ),
    ]


def _check_acks(
    histories: list[History],
    archive: dict[Cursor, Body],
    retractions: dict[Cursor, int],
    trimmed: Container[Cursor],
) -> Iterator[str]:
    first_seen: dict[str, Acked] = {}
    for history in histories:
        for ack in history.acked:
            stored = archive.get((ack.epoch, ack.seq))
            if stored is None:
                yield f"lost: {ack} is not in the archive"
            elif stored.get("text") != ack.text and (ack.epoch, ack.seq) not in retractions:
                yield f"lost: {ack} is {stored} in the archive"
            earlier = first_seen.setdefault(ack.text, ack)
            cursors = {(earlier.epoch, earlier.seq), (ack.epoch, ack.seq)}
            # After a comment was trimmed a retry of it is a new one.
            if len(cursors) > 1 and min(cursors) not in trimmed:
                yield f"two numbers: {earlier} and {ack}"


def _check_bodies(histories: list[History], archive: dict[Cursor, Body]) -> Iterator[str]:
    bodies = {cursor: body for cursor, body in archive.items() if body["kind"] != "retracted"}
    for history in histories:
        for epoch, _, entries in _messages_of(history):
            for body in entries:
                if body["kind"] == "retracted":
                    continue
                first = bodies.setdefault((epoch, body["seq"]), body)
                if first != body:
                    yield f"two bodies: {history.viewer} has {body}, others {first}"
                if (epoch, body["seq"]) not in archive:
                    yield f"not stored: {history.viewer} was shown {body}"


def _check_twice(archive: dict[Cursor, Body], trimmed: Container[Cursor]) -> Iterator[str]:
    places: dict[str, Cursor] = {}
    for cursor, body in archive.items():
        if "text" not in body or cursor in trimmed:
            continue
        if places.setdefault(body["text"], cursor) != cursor:
            yield f"stored twice: {body['text']!r} at {places[body['text']]} and {cursor}"


def _check_archive_retractions(
    archive: dict[Cursor, Body], retractions: dict[Cursor, int]
) -> Iterator[str]:
    for cursor, seq in retractions.items():
        if "text" in archive.get(cursor, {}):
            yield f"not purged: {archive[cursor]} was retracted by {seq}"


def _check_stream(history: History) -> Iterator[str]:
    """Check one viewer's numbers: each range begins where the one before it ended."""
    who = history.viewer
    place: Cursor | None = None
    for step in history.seen:
        if isinstance(step, Joined):
            yield from _check_join(who, step, place)
            # A welcome that resends recent history begins before the cursor.
            first = step.seq - len(step.entries) + 1
            yield from _check_range(who, first, step.seq, step.entries, 0)
            place = (step.epoch, step.seq)
        elif place is None:
            yield f"no welcome: {who} was sent {step} first"
            return
        else:
            epoch, seq = place
            if step.first != seq + 1:
                what = "hole" if step.first > seq + 1 else "again"
                yield f"{what}: {who} was at {seq} and was sent {step.first}..{step.last}"
            if isinstance(step, Received):
                yield from _check_range(who, step.first, step.last, step.entries, step.thinned)
            place = (epoch, step.last)


def _check_retractions(history: History, retractions: dict[Cursor, int]) -> Iterator[str]:
    """Check that no message which reaches a retraction still carries the retracted text."""
    for epoch, last, entries in _messages_of(history):
        for body in entries:
            at = retractions.get((epoch, body["seq"]))
            if "text" in body and at is not None and at <= last:
                yield (
                    f"retracted text again: {history.viewer} was shown {body} up to {last}, "
                    f"and {at} retracts it"
                )


def _check_join(who: str, step: Joined, place: Cursor | None) -> Iterator[str]:
    if step.after is not None and place is not None and step.after != place:
        yield f"wrong cursor: {who} was at {place} and asked with {step.after}"
    if not step.recovered:
        return
    if step.after is None:
        yield f"recovered from nothing: {who} had no cursor"
    elif step.after[0] != step.epoch:
        yield f"another epoch: {who} asked with {step.after} and got {step.epoch}"
    elif step.seq - len(step.entries) != step.after[1]:
        numbers = [body["seq"] for body in step.entries]
        yield f"hole: {who} asked after {step.after[1]}, got {numbers} up to {step.seq}"


def _check_range(
    who: str, first: int, last: int, entries: list[Body], thinned: int
) -> Iterator[str]:
    numbers = [body["seq"] for body in entries]
    if numbers != sorted(set(numbers)):
        yield f"out of order: {who} was sent {numbers}"
    elif numbers and not first <= numbers[0] <= numbers[-1] <= last:
        yield f"out of range: {who} was sent {numbers} as {first}..{last}"
    elif len(numbers) + thinned != last - first + 1:
        yield f"hole: {who} was sent {numbers} and {thinned} thinned as {first}..{last}"


def _messages_of(history: History) -> Iterator[tuple[str, int, list[Body]]]:
    """Yield the epoch, the last number and the entries of each message that had entries."""
    epoch = ""
    for step in history.seen:
        if isinstance(step, Joined):
            epoch = step.epoch
            yield epoch, step.seq, step.entries
        elif isinstance(step, Received):
            yield epoch, step.last, step.entries


def _find_retractions(histories: list[History], archive: dict[Cursor, Body]) -> dict[Cursor, int]:
    """Map each removed comment to the seq of the first entry that removes it."""
    # Whose they are; None if nobody saw them before they were removed.
    comments = {cursor: None for cursor, body in archive.items() if body["kind"] == "retracted"}
    comments |= {
        (epoch, body["seq"]): body.get("user")
        for history in histories
        for epoch, _, entries in _messages_of(history)
        for body in entries
        if "text" in body
    }
    comments |= {cursor: body.get("user") for cursor, body in archive.items() if "text" in body}
    found: dict[Cursor, int] = {}
    for (epoch, seq), body in sorted(archive.items(), key=lambda item: item[0]):
        if body["kind"] == "retract":
            found.setdefault((epoch, body["target"]), seq)
        elif body["kind"] in ("clear", "clear_user"):
            for cursor, user in comments.items():
                is_before = cursor[0] == epoch and cursor[1] <= body["before"]
                if is_before and user in (None, body.get("user", user)):
                    found.setdefault(cursor, seq)
    return found
