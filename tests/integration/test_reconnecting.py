"""Reconnecting of the page and the Python client: bounded in rate, and only if it can succeed.

The pages' connection runs in Node. Its decisions, one by one: tests/unit/test_connection_state.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from tornado.websocket import WebSocketHandler

from chat.client import Client, ClientClosed, ClientLimits
from tests.support.page_connection import PageConnection
from tests.support.proxy import Proxy
from tests.support.scripted_server import ScriptedServer, send
from tests.support.server_process import ServerProcess


def run(steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(steps(), 30))


def close_after_welcome(
    _script: ScriptedServer, handler: WebSocketHandler, message: dict[str, Any] | None
) -> None:
    if message is None:
        handler.close(1012)


def send_hole_after_welcome(
    _script: ScriptedServer, handler: WebSocketHandler, message: dict[str, Any] | None
) -> None:
    if message is None:
        send(handler, "batch", epoch="e", first=9, last=9, entries=[])


async def use_python_client(script: ScriptedServer) -> None:
    async with Client(script.ws_url):
        await asyncio.Event().wait()


async def use_page(script: ScriptedServer, **options: Any) -> None:
    async with PageConnection(room="room", server=script.url, **options):
        await asyncio.Event().wait()


# The first delay is at least half a second, and the next twice that. A hole is filled at once.
@pytest.mark.parametrize(
    ("ending", "least"), [(close_after_welcome, 1.5), (send_hole_after_welcome, 1.0)]
)
def test_connection_that_ends_after_each_welcome_is_retried_with_back_off(
    ending: Any, least: float
) -> None:
    async def steps() -> None:
        async with (
            ScriptedServer(ending) as page,
            ScriptedServer(ending) as overlay,
            ScriptedServer(ending) as python,
        ):
            using = [
                asyncio.ensure_future(use_page(page)),
                asyncio.ensure_future(use_page(overlay, readOnly=True)),
                asyncio.ensure_future(use_python_client(python)),
            ]
            for script in (page, overlay, python):
                await script.wait_for_dials(3)
            for one in using:
                one.cancel()
            await asyncio.gather(*using, return_exceptions=True)
        for script in (page, overlay, python):
            assert script.dialled_at[2] - script.dialled_at[0] >= least

    run(steps)


def post(page: PageConnection) -> None:
    page.call("post", {"text": "once"})


EVENTS: dict[str, Callable[[PageConnection], None]] = {
    "online": lambda page: page.call("dispatch", "online"),
    "visible": lambda page: page.call("resume"),
    "post": post,
}


@pytest.mark.parametrize("event", EVENTS)
def test_page_detects_a_dead_connection_with_a_post(
    server: ServerProcess, room: str, event: str
) -> None:
    async def steps() -> None:
        async with (
            Proxy(server.port) as proxy,
            PageConnection(room=room, server=f"http://127.0.0.1:{proxy.port}") as page,
        ):
            await page.wait_for("state", state="live")
            proxy.is_silent = True
            loop = asyncio.get_running_loop()
            started = loop.time()
            EVENTS[event](page)
            await page.wait_for("state", state="connecting", detail="again")
            assert 4 < loop.time() - started < 7
            proxy.is_silent = False
            if event != "post":
                post(page)
            assert (await page.wait_for("accepted"))["post"]["text"] == "once"
            async with Client(f"{server.ws_url}/ws/{room}") as other:
                assert (await other.post("next")).seq == 2

    run(steps)


def test_python_client_detects_a_dead_connection_with_a_post(
    server: ServerProcess, room: str
) -> None:
    limits = ClientLimits(response_seconds=0.3, connect_seconds=1.0)

    async def steps() -> None:
        async with (
            Proxy(server.port) as proxy,
            Client(f"{proxy.ws_url}/ws/{room}", limits=limits) as client,
        ):
            proxy.is_silent = True
            posting = asyncio.ensure_future(client.post("once"))
            while client.state == "live":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            proxy.is_silent = False
            assert (await posting).seq == 1

    run(steps)


REFUSALS = [
    (403, "forbidden_origin"),
    (404, "no_such_room"),
    (400, "bad_room"),
]


@pytest.mark.parametrize(("status", "code"), REFUSALS)
def test_permanently_refused_handshake_is_not_retried(status: int, code: str) -> None:
    def refuse(_script: ScriptedServer, _handler: WebSocketHandler) -> dict[str, Any]:
        return {"status": status, "code": code, "message": "No."}

    async def steps() -> None:
        async with ScriptedServer(refuse=refuse) as script:
            async with PageConnection(room="room", server=script.url) as page:
                refused = await page.wait_for("refused", code=code)
                assert (refused["message"], refused["dropped"]) == ("No.", "")
                state = await page.wait_for("state", state="offline")
                assert (state["detail"], state["reason"]) == ("ended", code)
                assert (len(script.dials), script.asked) == (1, 1)
                page.call("dispatch", "online")
                page.call("retry")  # the viewer may ask again
                await page.wait_for("refused", code=code)
                assert (len(script.dials), script.asked) == (2, 2)
            with pytest.raises(ClientClosed, match=f"{code}: No."):
                await Client(script.ws_url).__aenter__()
            assert (len(script.dials), script.asked) == (3, 2)

    run(steps)


@pytest.mark.parametrize(("status", "code"), [(503, "full"), (429, "too_many")])
def test_temporarily_refused_handshake_is_retried_after_retry_after(status: int, code: str) -> None:
    def refuse(script: ScriptedServer, handler: WebSocketHandler) -> dict[str, Any] | None:
        if len(script.dials) > 1:
            return None
        return {"status": status, "code": code, "retry_after": 0.7}

    async def steps() -> None:
        async with (
            ScriptedServer(refuse=refuse) as script,
            PageConnection(room="room", server=script.url) as page,
        ):
            assert (await page.wait_for("refused", code=code))["retryAfter"] == 0.7
            state = await page.wait_for("state", state="offline", detail="waiting")
            assert state["reason"] == code
            assert 700 <= state["retryInMs"] <= 1_050
            await page.wait_for("state", state="live", detail="websocket")
        async with ScriptedServer(refuse=refuse) as script:
            async with Client(script.ws_url) as client:
                assert client.state == "live"
            assert len(script.dials) == 2

    run(steps)


def test_name_that_the_server_refuses_is_dropped(server: ServerProcess, room: str) -> None:
    async def steps() -> None:
        name = "n" * 25
        async with PageConnection(room=room, server=server.url, name=name) as page:
            await page.wait_for("refused", code="name_too_long", dropped="name")
            welcome = await page.wait_for("welcome")
            assert 0 < len(welcome["name"]) < 25
            assert "polling" not in {state["detail"] for state in page.details("state")}

    run(steps)


def reject_first_session(
    script: ScriptedServer, handler: WebSocketHandler, message: dict[str, Any] | None
) -> None:
    """Let a connection end once it posts; be out of budget for the session of the next one."""
    if message is None:
        return
    sign_ins = [one for one in script.messages if one["type"] == "auth"]
    if message["type"] == "ping" and len(script.dials) == 1:
        handler.close(1012)  # what was posted just before has no answer
    elif message["type"] == "post" and len(script.dials) > 1:
        send(handler, "ack", ref=message["ref"], epoch="e", seq=6)
    elif message["type"] == "auth" and len(sign_ins) == 1:
        send(handler, "reject", ref=None, code="too_many", message="", retry_after=0.3)
    elif message["type"] == "auth":
        send(handler, "identity", user="g-1", name="Somebody", role="viewer")


def test_posts_wait_until_the_session_is_accepted() -> None:
    async def steps() -> None:
        async with ScriptedServer(reject_first_session) as script:
            async with PageConnection(room="room", server=script.url) as page:
                await page.wait_for("welcome")
                page.call("post", {"text": "once"})
                await page.wait_for("accepted")
            from_page = [one for one in script.messages if one["type"] != "ping"]
        async with ScriptedServer(reject_first_session) as script:
            async with Client(script.ws_url) as client:
                assert (await client.post("once")).seq == 6
            from_client = [one for one in script.messages if one["type"] != "ping"]
        for messages in (from_page, from_client):
            assert [one["type"] for one in messages] == ["post", "auth", "auth", "post"]
            assert {one["token"] for one in messages if one["type"] == "auth"} == {"session 1"}

    run(steps)


def reject_first_post(
    script: ScriptedServer, handler: WebSocketHandler, message: dict[str, Any] | None
) -> None:
    if message is None or message["type"] != "post":
        return
    refs = [one["ref"] for one in script.messages if one["type"] == "post"]
    if len(refs) == 1:
        send(handler, "reject", ref=refs[0], code="too_many", message="", retry_after=0.2)
    else:
        send(handler, "ack", ref=refs[-1], epoch="e", seq=6)


def test_post_over_a_budget_is_sent_again_with_its_ref() -> None:
    async def steps() -> None:
        async with (
            ScriptedServer(reject_first_post) as script,
            PageConnection(room="room", server=script.url) as page,
        ):
            await page.wait_for("welcome")
            page.call("post", {"text": "once"})
            await page.wait_for("accepted")
            from_page = [one["ref"] for one in script.messages if one["type"] == "post"]
        async with ScriptedServer(reject_first_post) as script, Client(script.ws_url) as client:
            assert (await client.post("once")).seq == 6
            from_client = [one["ref"] for one in script.messages if one["type"] == "post"]
        for refs in (from_page, from_client):
            assert len(refs) == 2
            assert len(set(refs)) == 1

    run(steps)
