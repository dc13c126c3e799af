"""A journal that runs, and a record of what it delivered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from chat.archive import Archive
from chat.core.comment import Comment
from chat.core.entry import HiddenBody, NumberedEntry, decode_entry
from chat.core.moderation.acts import Act, NumberedAct
from chat.journal import Journal
from chat.journal.local import JournalLimits, LocalJournal
from chat.metrics import Metrics


class JournalRecorder:
    """A journal that runs, and what it delivered: (room, seq, text) in order."""

    def __init__(self, journal: Journal, metrics: Metrics) -> None:
        self.journal = journal
        self.metrics = metrics
        self.delivered: list[tuple[str, int, str]] = []
        self.acts: list[tuple[str, Act]] = []
        self.hidden: dict[int, HiddenBody] = {}
        self.trimmed_rooms: list[tuple[str, int]] = []
        self.on_delivery: Callable[[], None] = lambda: None

    def deliver(
        self, room: str, entries: Sequence[NumberedEntry], acts: Sequence[NumberedAct]
    ) -> None:
        self.on_delivery()
        self.acts += [(room, one.act) for one in acts]
        for numbered in entries:
            entry = json.loads(numbered.body)
            assert entry["seq"] == numbered.seq
            assert decode_entry(numbered.body).entry == numbered.entry
            if numbered.hidden is not None:
                self.hidden[numbered.seq] = numbered.hidden
            self.delivered.append((room, numbered.seq, entry.get("text", entry["kind"])))

    def trimmed(self, room: str, last: int) -> None:
        self.trimmed_rooms.append((room, last))

    def append(self, room: str, text: str, user: str = "g-1", ref: str | None = None):
        return self.journal.append(
            room, Comment(seq=0, user=user, name="Owl", text=text, at=17), ref
        )


OpenJournal = Callable[..., AbstractAsyncContextManager[JournalRecorder]]


def make_opener(url: str) -> OpenJournal:
    @asynccontextmanager
    async def open_journal(**limits: float) -> AsyncIterator[JournalRecorder]:
        metrics = Metrics()
        journal = LocalJournal(Archive(url), metrics, JournalLimits(**limits))
        recorder = JournalRecorder(journal, metrics)
        recorder.journal.start(recorder.deliver, recorder.trimmed)
        try:
            yield recorder
        finally:
            await recorder.journal.close()

    return open_journal


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(steps(), 20))
