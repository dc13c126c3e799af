"""Appends a batch of entries and acts to the tables, in the present transaction.

Acts are stored beside the entries that they cause, removals are applied (``removals.py``), comments
held and decided (``held.py``), and a change of settings replaces the room's settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import sqlalchemy as sa

from chat.archive.acts import store_acts
from chat.archive.batch import StoredEntry, UnsavedEntry
from chat.archive.filters import store_filters
from chat.archive.held import find_late, store_held
from chat.archive.refs import Key, find_refs
from chat.archive.removals import store_removals
from chat.archive.reports import close_reports, store_report
from chat.archive.rows import Row, encode_rows, insert_rows
from chat.archive.sanctions import store_sanctions
from chat.archive.schema import entries, rooms
from chat.core.comment import Comment
from chat.core.entry import Shadowed, number_entry
from chat.core.moderation.acts import Act, DecideAct, ReportAct
from chat.core.moderation.held import HeldRecord
from chat.core.room_settings import SettingsChange

_COLUMNS = ["room_id", "seq", "at", "kind", "user", "ref", "body"]
_INSERT = insert_rows(entries, _COLUMNS)
_HEADS = sa.select(rooms.c.id, rooms.c.head).where(
    rooms.c.id.in_(sa.bindparam("ids", expanding=True))
)
_MOVE_HEAD = (
    sa.update(rooms).where(rooms.c.id == sa.bindparam("key")).values(head=sa.bindparam("seq"))
)
_SET = (
    sa.update(rooms).where(rooms.c.id == sa.bindparam("key")).values(settings=sa.bindparam("set"))
)


class Appended(msgspec.Struct, frozen=True):
    """What was stored, in the order of the batch; ``size`` is how many bytes, about."""

    stored: list[StoredEntry]
    size: int


def append_batch(connection: sa.Connection, batch: Sequence[UnsavedEntry]) -> Appended:
    """Number and store a batch. A late decision (``held.py``) and a known ref are duplicates."""
    stored: list[StoredEntry] = []
    rows: list[Row] = []
    # What is no comment, with its place in the batch: few.
    others: list[int] = []
    # Comments that are held in this batch, and their retries in it.
    holding: dict[Key, int] = {}
    repeats: dict[int, int] = {}
    heads = _read_heads(connection, batch)
    before = dict(heads)
    seqs, held = find_refs(connection, batch)
    late = find_late(connection, batch)
    for place, unsaved in enumerate(batch):
        entry, key, head = unsaved.entry, unsaved.key, heads[unsaved.room_id]
        if unsaved.ref is not None and key in seqs:
            stored.append(StoredEntry(seqs[key], None))
        elif unsaved.ref is not None and key in held:
            stored.append(_describe_held(held[key], head))
        elif unsaved.ref is not None and key in holding:
            repeats[place] = holding[key]
            stored.append(StoredEntry(head, None))
        elif place in late:
            stored.append(StoredEntry(head, None))
        elif isinstance(unsaved.act, ReportAct):
            reporter = unsaved.payload.decode()
            reports = store_report(connection, unsaved.room_id, unsaved.act, reporter)
            if reports.is_new and reports.count == 1:
                others.append(place)
            stored.append(StoredEntry(head, None, reports=reports))
        elif entry is None:
            if unsaved.ref is not None:
                holding[key] = place
            others.append(place)
            stored.append(StoredEntry(head, None))
        else:
            heads[unsaved.room_id] = seqs[key] = seq = head + 1
            numbered = number_entry(entry, seq)
            kind = str(entry.__struct_config__.tag)
            stored_body = numbered.body if numbered.hidden is None else numbered.hidden.body
            body = stored_body.decode()
            rows.append((unsaved.room_id, seq, entry.at, kind, unsaved.user, unsaved.ref, body))
            if unsaved.act is not None or not isinstance(entry, Comment | Shadowed):
                others.append(place)
            stored.append(StoredEntry(seq, numbered))
    encoded = ""
    if rows:
        encoded = encode_rows(rows)
        connection.execute(_INSERT, {"rows": encoded})
        moved = [{"key": key, "seq": head} for key, head in heads.items() if head != before[key]]
        connection.execute(_MOVE_HEAD, moved)
    if others:
        store_removals(connection, [(batch[one], stored[one].seq) for one in others])
        _store_settings(connection, [batch[one] for one in others])
        _store_acts(connection, batch, stored, others)
    for place, first in repeats.items():
        act = stored[first].act
        assert act is not None
        stored[place] = _describe_held(HeldRecord(act.id), stored[place].seq)
    return Appended(stored, len(encoded))


def _read_heads(connection: sa.Connection, batch: Iterable[UnsavedEntry]) -> dict[int, int]:
    found = connection.execute(_HEADS, {"ids": list({one.room_id for one in batch})})
    return {row.id: row.head for row in found}


def _describe_held(record: HeldRecord, head: int) -> StoredEntry:
    """Return the result of a post that was held before; an approved one has a number."""
    return StoredEntry(record.seq or head, None, held=record)


def _store_acts(
    connection: sa.Connection,
    batch: Sequence[UnsavedEntry],
    stored: list[StoredEntry],
    places: Sequence[int],
) -> None:
    """Store the acts at these places of a batch, and add them to the results."""
    done: list[tuple[int, int, Act]] = []
    for place in places:
        act = batch[place].act
        if isinstance(act, DecideAct) and act.approved:
            act = msgspec.structs.replace(act, seq=stored[place].seq)
        if act is not None:
            done.append((place, batch[place].room_id, act))
    numbered = store_acts(connection, [(room_id, act) for _, room_id, act in done])
    keys = [room_id for _, room_id, _ in done]
    store_sanctions(connection, list(zip(keys, numbered, strict=True)))
    for (place, room_id, _), one in zip(done, numbered, strict=True):
        store_filters(connection, room_id, one, batch[place].payload)
        store_held(connection, one, batch[place])
        close_reports(connection, room_id, one.act)
        stored[place] = msgspec.structs.replace(stored[place], act=one)


def _store_settings(connection: sa.Connection, batch: Sequence[UnsavedEntry]) -> None:
    # With the room, because entries are trimmed.
    chosen = [
        {"key": unsaved.room_id, "set": msgspec.json.encode(unsaved.entry.settings).decode()}
        for unsaved in batch
        if isinstance(unsaved.entry, SettingsChange)
    ]
    if chosen:
        connection.execute(_SET, chosen)
