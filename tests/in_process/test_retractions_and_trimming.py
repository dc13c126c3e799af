"""Retractions and trimming in an open room: its history and its pages."""

from __future__ import annotations

import asyncio
import json
import time

from chat.core.retraction import Retraction
from chat.core.wire import Ack
from chat.environment import Clock
from chat.web.room_list import RoomList
from tests.support.hub_harness import enter, open_hub, poll, post, run


def test_retracted_text_is_in_no_history_and_no_page() -> None:
    async def steps() -> None:
        async with open_hub(post_rate=0) as hub:
            room = await enter(hub, "demo")
            for text in ("decent", "nasty", "fine"):
                await post(hub, room, text)
            waiting = asyncio.ensure_future(poll(hub, room, 3, wait=10))
            await hub._journal.append("demo", Retraction(seq=0, target=2, at=1), None)
            assert json.loads(bytes((await waiting).entries)) == [
                {"kind": "retract", "seq": 4, "target": 2, "at": 1}
            ]
            for _ in range(2):
                entries = json.loads(bytes((await poll(hub, room, 0)).entries))
                assert [entry.get("text") for entry in entries] == ["decent", None, "fine", None]
                hub.release_rooms(float("inf"))  # and from the archive
                room = await enter(hub, "demo")

    run(steps)


def test_retracted_comment_leaves_the_list_of_rooms_when_it_is_next_made() -> None:
    async def steps() -> None:
        now = [0.0]
        async with open_hub(post_rate=0) as hub:
            rooms = RoomList(hub, Clock(monotonic=lambda: now[0]))
            room = await enter(hub, "demo")
            for text in ("decent", "nasty"):
                await post(hub, room, text)
            assert b"nasty" in rooms.read(10)
            await hub._journal.append("demo", Retraction(seq=0, target=2, at=1), None)
            now[0] += 1
            assert b"nasty" not in rooms.read(10)
            assert b"decent" in rooms.read(10)

    run(steps)


def test_trimmed_entries_leave_an_open_room_and_cursors_before_them_are_rejected() -> None:
    async def steps() -> None:
        async with open_hub(post_rate=0) as hub:
            room = await enter(hub, "demo")
            for text in ("old", "older"):
                await post(hub, room, text)
            assert len(json.loads(bytes(room.recent_json(50)))) == 2
            assert await hub._journal.trim(time.time_ns()) == 2
            assert json.loads(bytes(room.recent_json(50))) == []
            assert await post(hub, room, "young") == Ack(None, room.epoch, 3)
            for seq in (0, 1):
                page = await poll(hub, room, seq)
                assert (page.recovered, page.reason, page.head) == (False, "trimmed", 3)
                assert [entry["text"] for entry in json.loads(bytes(page.entries))] == ["young"]
            assert (await poll(hub, room, 2)).recovered

    run(steps)
