"""The archive's acts against a model: entries and acts as lists, and who wrote which comment.

Comments, retractions, clears and settings are stored in random batches; texts are overwritten in
steps in between, and the archive is closed and opened again.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chat.archive import Archive, StoredEntry, UnsavedEntry
from chat.core.comment import Comment
from chat.core.moderation.acts import Act, ClearAct, RetractAct, SettingsAct
from chat.core.retraction import Clear, ClearUser, Retraction
from chat.core.room_settings import RoomSettings, SettingsChange

BY = {"at": 2, "by": "mia", "by_name": "Mia"}
USERS = ["a", "b"]
ROOMS = ["demo", "music"]

steps = st.one_of(
    st.tuples(
        st.just("comment"), st.sampled_from(USERS), st.sampled_from([None, "k1", "retract:1"])
    ),
    st.tuples(st.just("retract"), st.integers(1, 12), st.none()),
    st.tuples(st.just("clear"), st.sampled_from([None, *USERS]), st.none()),
    st.tuples(st.just("settings"), st.sampled_from(["x", "y"]), st.none()),
)


class Model:
    """One room: entries as (kind, user), acts by kind, known refs, and the title."""

    def __init__(self, room_id: int) -> None:
        self.room_id = room_id
        self.entries: list[tuple[str, str]] = []
        self.acts: list[tuple[str, str]] = []
        self.refs: dict[tuple[str, str], int] = {}
        self.title = ""

    def store(self, kind: str, value: Any, ref: str | None) -> tuple[UnsavedEntry, int, bool]:
        """Return what to store, the expected seq, and whether it is a duplicate."""
        act: Act | None = None
        if kind == "retract":
            # What does not exist yet cannot be retracted.
            count = len(self.entries)
            kind, value = ("retract", value % count + 1) if count else ("comment", "a")
        if kind == "comment":
            entry: Any = Comment(seq=0, user=value, name="Owl", text="secret", at=1)
            key: Any = None if ref is None else (value, ref)
        elif kind == "retract":
            ref = f"retract:{value}"
            key = ("", ref)
            entry = Retraction(seq=0, target=value, at=2)
            act = RetractAct(**BY, seq=value)
        elif kind == "clear":
            key = None
            before = len(self.entries)
            entry = Clear(seq=0, before=before, at=2)
            if value is not None:
                entry = ClearUser(seq=0, user=value, before=before, at=2)
            act = ClearAct(**BY, before=before, user=value or "")
        else:
            key = None
            settings = RoomSettings(title=value)
            entry = SettingsChange(seq=0, settings=settings, at=2)
            act = SettingsAct(**BY, before=RoomSettings(title=self.title), settings=settings)
        unsaved = UnsavedEntry(self.room_id, entry, ref, act)
        if key in self.refs:
            return unsaved, self.refs[key], True
        self.apply(kind, value, entry)
        if key is not None:
            self.refs[key] = len(self.entries)
        return unsaved, len(self.entries), False

    def apply(self, kind: str, value: Any, entry: Any) -> None:
        for place, (found, user) in enumerate(self.entries):
            is_removed = place + 1 == value if kind == "retract" else value in (None, user)
            if kind in ("retract", "clear") and found == "comment" and is_removed:
                self.entries[place] = ("retracted", user)
        if kind == "settings":
            self.title = value
        self.entries.append((entry.__struct_config__.tag, value if kind == "comment" else ""))
        if kind != "comment":
            self.acts.append((kind, str(value or "")))


class ActsMachine(RuleBasedStateMachine):
    """An archive in a file on one side, the model on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "danmaku.db"
        self.archive = Archive(f"sqlite:///{self.path}")
        self.models = {
            name: Model(self.archive.load_or_create_room(name, "e").room_id) for name in ROOMS
        }

    @rule(batch=st.lists(st.tuples(st.sampled_from(ROOMS), steps), min_size=1, max_size=8))
    def append(self, batch: list[tuple[str, tuple[str, Any, str | None]]]) -> None:
        wanted = [self.models[name].store(*step) for name, step in batch]
        stored: list[StoredEntry] = self.archive.append([unsaved for unsaved, _, _ in wanted])
        assert [(one.seq, one.dup) for one in stored] == [(seq, dup) for _, seq, dup in wanted]

    @rule(limit=st.integers(1, 3))
    def overwrite(self, limit: int) -> None:
        self.archive.overwrite_cleared(limit)

    @rule()
    def reopen(self) -> None:
        self.archive.close()
        self.archive = Archive(f"sqlite:///{self.path}")

    @invariant()
    def archive_is_the_model(self) -> None:
        records = self.archive.find_rooms(ROOMS)
        for name, model in self.models.items():
            found = [json.loads(body) for _, body in self.archive.read(model.room_id, 0, 1_000)]
            assert [body["seq"] for body in found] == list(range(1, len(model.entries) + 1))
            assert [body["kind"] for body in found] == [kind for kind, _ in model.entries]
            acts = [json.loads(body) for body in self.archive.read_acts(model.room_id, 0, 1_000)]
            assert [act["id"] for act in acts] == list(range(1, len(model.acts) + 1))
            assert [act["kind"] for act in acts] == [kind for kind, _ in model.acts]
            record = records[name]
            assert (record.head, record.acts) == (len(model.entries), len(model.acts))
            assert record.settings.title == model.title

    def teardown(self) -> None:
        while self.archive.overwrite_cleared(2):
            pass
        self.archive_is_the_model()
        self.archive.scrub()
        self.archive.close()
        kept = sum(kind == "comment" for m in self.models.values() for kind, _ in m.entries)
        assert self.path.read_bytes().count(b'"text":"secret"') == kept
        self.folder.cleanup()


TestActs = ActsMachine.TestCase
TestActs.settings = settings(max_examples=10, stateful_step_count=10, deadline=None)
